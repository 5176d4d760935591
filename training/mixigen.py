"""MixiGen: learns how good the next candidate of each generator is, for this user, now.

The blender sees user, context, generator and position, never an item. Its scores are curves, one for
each generator; the k-way merge of the curves decides who supplies the next candidate. They begin as the best
allocation for requests that are alike (`mixigen_segments`), and boosted trees learn by how much that is wrong for this
user and context: where there is nothing to be learned, a fixed quota is what is left.
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.array_types import Bools, Doubles, Floats, Longs
from service.cg.base import Filters, Query
from service.history import EMPTY
from service.mix_features import REQUEST_FEATURES, Context, MixSchema, feature_names, list_lengths, request_features
from service.mix_habits import HABIT_FEATURES, Habits
from service.mix_model import MixModel
from service.mix_segments import Segments
from service.registry import Release
from training import mixigen_segments
from training.candidate_log import DEPTH
from training.errors import DataError
from training.mixigen_base import new_places
from training.mixigen_logged import Logged, Seen
from training.mixigen_rows import Table, join, make_table
from training.oblivious_trees import from_catboost_json
from training.ranker import make_model, pool
from training.requests import Requests

if TYPE_CHECKING:
    from catboost import CatBoostRanker

MAX_PLACES = 200
"""Cities, and stores, that the blender tells apart: the most frequent."""


class Config(BaseModel):
    """How the blender is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    N: int = Field(default=30, ge=1, le=DEPTH)
    """A candidate counts if it is among the ranker's best N of its request."""
    target: Literal["ranker", "bought", "both"] = "both"
    """What counts: the ranker would have it in its best N, it really was bought (as a share of all that was, which
    is recall), or the sum of the two shares."""
    positions: int = Field(default=DEPTH, ge=1, le=DEPTH)
    """Deepest position trained on, beyond which its score holds."""
    monotone: bool = True
    """Scores may not rise with the position, so that the merge is exact."""
    loss: str = "QueryRMSE"
    """catboost's name of the loss; grouped by request."""
    iterations: int = Field(default=300, ge=1, le=10_000)
    """Most trees; early stopping usually takes fewer."""
    learning_rate: float = Field(default=0.1, gt=0, le=1)
    """Step of boosting."""
    depth: int = Field(default=6, ge=1, le=10)
    """Depth of the trees."""
    segments: int = Field(default=24, ge=1, le=1024)
    """Most kinds of requests that each tree of the forest tells apart; 1: one allocation for all."""
    segment_trees: int = Field(default=16, ge=1, le=256)
    """Trees of the forest, whose allocations are averaged."""
    habits: bool = True
    """Whether it is told what each user made of each generator's candidates before: an array over users."""
    max_requests: int = Field(default=24_000, ge=2)
    """Requests drawn from the candidate log."""
    min_users: int = Field(default=50, ge=1)
    """Users whose requests the candidate log must hold: from fewer it learns who they are, not who supplies whom."""
    later_share: float = Field(default=0.2, gt=0, lt=1)
    """The last requests in time, on which early stopping is judged."""
    patience: int = Field(default=20, ge=1)
    """Trees without improvement after which training stops."""
    timezone: str = "UTC"
    """IANA name; hour and weekday are local times."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Seed of every random draw."""
    num_threads: int = Field(default=-1, ge=-1, le=1024)
    """Threads; −1 means one for each core."""


class Blend(NamedTuple):
    """A trained blender, as catboost has it and as it is served."""

    ranker: "CatBoostRanker"
    model: MixModel
    trees: int


def make_config(values: Mapping[str, str]) -> Config:
    """Validate values from the command line."""
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(f"mixigen: {'.'.join(map(str, first['loc']))} = {first['input']!r}: {first['msg']}") from None


def make_schema(requests: Requests, accepted: Bools, cgs: Sequence[str], config: Config) -> MixSchema:
    """Describe what the blender is trained on.

    requests: whose places are the known ones; accepted (n_requests, n_cgs, depth): marks of an earlier part of
    the log, whose share in a generator's positions is its historic acceptance.
    """
    depth = config.positions
    rates = [float(accepted[:, cg, :depth].mean()) if len(accepted) else 0.0 for cg in range(len(cgs))]
    return MixSchema(
        cgs=tuple(cgs),
        cities=tuple(_frequent(requests, "city_name")),
        stores=tuple(_frequent(requests, "store_id")),
        timezone=config.timezone,
        acceptance=dict(zip(cgs, rates, strict=True)),
        max_position=depth,
        habits=HABIT_FEATURES if config.habits else (),
    )


def see(
    release: Release, requests: Requests, schema: MixSchema, *, exclude_seen: bool, habits: Habits | None = None
) -> Seen:
    """Return the blender's view of requests, made by the functions that serve; habits: before the requests."""
    cgs = [release.cgs[name] for name in schema.cgs]
    ids = release.users.ids_of(np.arange(len(release.users), dtype=np.int32))
    contexts = zip(*(requests.frame[name].to_list() for name in ("timestamp", "city_name", "store_id")), strict=True)
    lengths: dict[int, Floats] = {}
    known: dict[int, Floats] = {}
    features = np.empty((len(requests), len(REQUEST_FEATURES)), np.float32)
    for row, (user, (timestamp, city, store)) in enumerate(zip(requests.user.tolist(), contexts, strict=True)):
        history = release.history.lookup(ids[user]) or EMPTY
        context = Context(timestamp, city, None if store is None else str(store), exclude_seen)
        features[row] = request_features(history, context, schema)
        if user not in lengths:
            filters = Filters(history.items) if exclude_seen else Filters()
            query = Query(ids[user], history, filters=filters)
            lengths[user] = list_lengths(cgs, query)
            if habits is not None:
                known[user] = habits.of(query, exclude_seen)
    users = requests.user.tolist()
    of_users = np.array([known[user] for user in users], np.float32) if known else None
    return Seen(features, np.array([lengths[user] for user in users], np.float32), of_users)


def worth(liked: Bools, bought: Bools, positives: Longs, config: Config) -> Floats:
    """Return what the item at each place adds to the target, (n_requests, n_cgs, depth).

    liked, bought: marks of that shape; positives: (n_requests,) how many items were bought. The unit is a
    candidate among the ranker's N.
    """
    of_bought = bought * (config.N / np.maximum(1, positives))[:, None, None]
    value = {"ranker": liked, "bought": of_bought, "both": liked + of_bought}[config.target]
    return value.astype(np.float32)


def train(logs: Sequence[Logged], schema: MixSchema, config: Config, n_items: int) -> Blend:
    """Train on the candidate logs of both ways of treating seen items: [allowed, excluded].

    Raises:
        ValueError: fewer than two requests have candidates.
    """
    logs = [log.cut(schema.max_position) for log in logs]
    segments, expected = mixigen_segments.grow(
        logs,
        schema,
        trees=config.segment_trees,
        segments=config.segments,
        monotone=config.monotone,
        seed=config.seed,
    )
    table = join([_table(log, scores, schema, n_items) for log, scores in zip(logs, expected, strict=True)])
    ranker = _grow(table, np.concatenate([log.timestamps for log in logs]), schema, config)
    return Blend(ranker, export(ranker, schema, segments), ranker.tree_count_)


def curves(model: MixModel, seen: Seen) -> Doubles:
    """Return the scores (n_requests, n_cgs, positions) of all places, as they are served."""
    schema = model.schema
    found = np.empty((len(seen.features), len(schema.cgs), schema.max_position))
    for row, (features, lengths) in enumerate(zip(seen.features, seen.lengths, strict=True)):
        habits = None if seen.habits is None else seen.habits[row]
        found[row] = model.curves(features, schema.cgs, lengths, habits)
    return found


def export(ranker: "CatBoostRanker", schema: MixSchema, segments: Segments) -> MixModel:
    """Turn catboost's model into the one that is served."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        ranker.save_model(str(path), format="json")
        return MixModel(from_catboost_json(json.loads(path.read_text(encoding="utf-8"))), schema, segments)


def rising(scores: Doubles) -> float:
    """Return the share of adjacent positions at which the score rises; 0 means that the merge is exact."""
    return float((np.diff(scores, axis=-1) > 0).mean()) if scores.shape[-1] > 1 else 0.0


def _table(log: Logged, expected: Doubles, schema: MixSchema, n_items: int) -> Table:
    new = new_places(log.lists, log.list_of, expected, n_items)
    return make_table(log.seen, log.value, new, expected, schema)


def _grow(table: Table, timestamps: Longs, schema: MixSchema, config: Config) -> "CatBoostRanker":
    """Boost trees on what is expected; early stopping is judged on the last requests in time."""
    of_row = timestamps[table.request]
    later = of_row > np.quantile(timestamps, 1 - config.later_share)
    if not later.any() or later.all():
        raise ValueError(f"{len(timestamps)} request(s) to train the blender on, wanted two in time; use more events")
    pools = [_pool(table.where(some)) for some in (~later, later)]
    constraint: dict[str, Any] = {}
    if config.monotone:
        constraint = {"monotone_constraints": {len(feature_names(schema)) - 1: -1}}
    ranker = make_model(config.loss, config.iterations, config, **constraint)
    ranker.fit(pools[0], eval_set=pools[1], early_stopping_rounds=config.patience)
    return ranker


def _pool(table: Table) -> Any:
    return pool(table.X, table.label, table.request, weight=table.weight, baseline=table.baseline)


def _frequent(requests: Requests, name: str) -> Sequence[str]:
    counts = requests.frame[name].drop_nulls().cast(str).value_counts(sort=True)
    return [str(value) for value in counts.sort("count", name, descending=[True, False])[name].to_list()[:MAX_PLACES]]
