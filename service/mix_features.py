"""What MixiGen looks at: user and context once per request, then generator and position.

Every row of features is `[request features | one column per generator | acceptance, list_length, habits | position]`,
float32, in the order of `feature_names`; training and serving both make it here. Nothing of it needs
a candidate to be fetched.
"""

import functools
from collections.abc import Sequence
from datetime import datetime
from typing import cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numba import njit
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from service.array_types import Floats, Ints, Longs
from service.cg.base import CandidateGenerator, KnowsUsers, Query
from service.cg.several import ExpectsLength, Histories, Queries
from service.history import EMPTY, History
from service.record import record

REQUEST_FEATURES: tuple[str, ...] = (
    "distinct_items",
    "requests",
    "repeat_share",
    "max_count",
    "mean_count",
    "days_since_last",
    "span_days",
    "has_history",
    "hour",
    "weekday",
    "city",
    "store",
    "exclude_seen",
)
LIST_LENGTH_CAP = 100
"""Longer lists are all alike: as deep as the candidate log that MixiGen is trained on."""
_SECONDS_PER_DAY = 86_400.0
UNKNOWN = -1


@record
class Context:
    """When, where and how a request is made."""

    timestamp: int
    """Unix seconds."""
    city_name: str | None = None
    store_id: str | None = None
    exclude_seen: bool = False
    """Whether items of the history may not be returned: repetition and discovery are two tasks."""


class MixSchema(BaseModel):
    """What a MixiGen was trained on; in the manifest of its artifact."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    cgs: tuple[str, ...] = Field(min_length=1)
    """Names of the generators; their order settles ties."""
    cities: tuple[str, ...] = Field((), max_length=1000)
    """Known values of city_name, the most frequent first."""
    stores: tuple[str, ...] = Field((), max_length=1000)
    """Known values of store_id as texts, the most frequent first."""
    timezone: str = "UTC"
    """IANA name; hour and weekday are local times."""
    acceptance: dict[str, float]
    """Of each generator: how often its candidates were accepted in the past."""
    max_position: int = Field(40, ge=1, le=10_000)
    """Positions trained on; beyond them the last score holds."""
    habits: tuple[str, ...] = ()
    """What is known of each user and generator (`mix_habits`); none: it was trained without."""

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"no timezone {value!r}; wanted an IANA name like Europe/Berlin") from None
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> "MixSchema":
        if len(set(self.cgs)) < len(self.cgs) or set(self.acceptance) != set(self.cgs):
            raise ValueError(f"wanted distinct cgs and an acceptance for each; cgs: {', '.join(self.cgs)}")
        return self


def cg_feature_names(schema: MixSchema) -> tuple[str, ...]:
    """Return the columns that tell generators apart; the position comes last."""
    return (*(f"cg={name}" for name in schema.cgs), "acceptance", "list_length", *schema.habits, "position")


def feature_names(schema: MixSchema) -> tuple[str, ...]:
    """Return all columns in order."""
    return (*REQUEST_FEATURES, *cg_feature_names(schema))


def request_features(history: History, context: Context, schema: MixSchema) -> Floats:
    """Return REQUEST_FEATURES (n,) of a user at a moment; an empty history and no place are normal."""
    own: Floats = features_of_each(Histories.of([history]), [context], schema)[0]
    return own


def features_of_each(histories: Histories, contexts: Sequence[Context], schema: MixSchema) -> Floats:
    """Return REQUEST_FEATURES (b, n) of several users at a moment each."""
    features: Floats = np.array([(*_NOTHING, *_moment(context, schema)) for context in contexts], np.float32)
    times = np.array([context.timestamp for context in contexts], np.int64)
    _describe(histories.counts, histories.last, histories.starts, times, features)
    return features


_NOTHING = (0,) * REQUEST_FEATURES.index("hour")
"""Of an empty history."""


def _moment(context: Context, schema: MixSchema) -> tuple[float, ...]:
    local = datetime.fromtimestamp(context.timestamp, _zone(schema.timezone))
    city, store = _code(schema.cities, context.city_name), _code(schema.stores, context.store_id)
    return local.hour, local.weekday(), city, store, context.exclude_seen


@njit(nogil=True, cache=True)
def _describe(counts: Ints, last: Longs, starts: Ints, times: Longs, features: Floats) -> None:
    """Write the features of the histories that are not empty: one pass instead of a dozen calls of numpy."""
    for q in range(len(times)):
        begin, end, own = starts[q], starts[q + 1], features[q]
        if begin == end:
            continue
        total, repeated, most, newest, oldest = 0, 0, counts[begin], last[begin], last[begin]
        for place in range(begin, end):
            count, time = counts[place], last[place]
            total += count
            repeated += count > 1
            most, newest, oldest = max(most, count), max(newest, time), min(oldest, time)
        n = end - begin
        own[0], own[1], own[2], own[3], own[4] = n, total, repeated / n, most, total / n
        own[5] = max(0.0, (times[q] - newest) / _SECONDS_PER_DAY)
        own[6] = (newest - oldest) / _SECONDS_PER_DAY
        own[7] = 1.0


def warm_up(schema: MixSchema) -> None:
    """Compile."""
    features_of_each(Histories.of([EMPTY]), [Context(0)], schema)


def list_lengths(cgs: Sequence[CandidateGenerator], query: Query) -> Floats:
    """Return `lengths_of_each` (n_cgs,) of one query."""
    own: Floats = lengths_of_each(cgs, Queries([query]))[0]
    return own


def lengths_of_each(cgs: Sequence[CandidateGenerator], queries: Queries) -> Floats:
    """Return (b, n_cgs): how many items each generator can be expected to have, before it has done any work.

    Exact where a generator can tell cheaply (`ExpectsLength`: `personal_top` has as many as the eligible
    history); 0 for one that needs a history or a stored vector and has neither; otherwise the cap of 100,
    or the number of allowed items if those are fewer.
    """
    lengths = np.array([_expected(cg, queries) for cg in cgs], np.float32).T
    most = [
        min(LIST_LENGTH_CAP, np.count_nonzero(allowed)) if len(allowed := query.filters.allowed) else LIST_LENGTH_CAP
        for query in queries
    ]
    # another layout would be another type to numba
    return np.minimum(lengths, np.array(most, np.float32)[:, None], order="C")


def cg_rows(schema: MixSchema) -> Floats:
    """Return (n_cgs, n_cgs + 1): the columns of each generator that no request changes."""
    acceptance = [[schema.acceptance[name]] for name in schema.cgs]
    return np.hstack([np.eye(len(schema.cgs)), acceptance]).astype(np.float32)


def _own_columns(lengths: Floats, habits: Floats | None, schema: MixSchema) -> Floats:
    """Return (n_cgs, 1 + habits): what a request says of each generator; habits None: of nobody known."""
    own = np.zeros((len(lengths), 1 + len(schema.habits)), np.float32)
    own[:, 0] = lengths
    if habits is not None and len(schema.habits):
        own[:, 1:] = habits
    return own


def rows(request_vector: Floats, schema: MixSchema, lengths: Floats, habits: Floats | None = None) -> Floats:
    """Return the rows of all generators × positions 1…max_position, generator by generator.

    request_vector: `request_features`; lengths, habits: of schema.cgs, in order.
    """
    n, depth = len(schema.cgs), schema.max_position
    result = np.empty((n, depth, len(feature_names(schema))), np.float32)
    first = len(REQUEST_FEATURES)
    result[:, :, :first] = request_vector
    own = first + n + 1
    result[:, :, first:own] = cg_rows(schema)[:, None, :]
    result[:, :, own:-1] = _own_columns(np.asarray(lengths), habits, schema)[:, None, :]
    result[:, :, -1] = np.arange(1, depth + 1)
    return result.reshape(n * depth, -1)


@functools.lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _code(values: tuple[str, ...], value: str | None) -> int:
    return values.index(value) if value is not None and value in values else UNKNOWN


def _expected(cg: CandidateGenerator, queries: Queries) -> Sequence[int]:
    if _tells_length(type(cg)):
        return cast("ExpectsLength", cg).expected_lengths(queries)
    return [LIST_LENGTH_CAP if len(query.history) or _knows(cg, query) else 0 for query in queries]


def _knows(cg: CandidateGenerator, query: Query) -> bool:
    return isinstance(cg, KnowsUsers) and query.user is not None and query.stored_applies and cg.knows(query.user)


@functools.lru_cache(maxsize=64)
def _tells_length(kind: type) -> bool:
    """Remember the answer: looking a protocol up takes microseconds."""
    return issubclass(kind, ExpectsLength)
