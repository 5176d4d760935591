"""MixiGen: learns how good the next candidate of each generator is, for this user, now.

The blender sees user, context, generator and position, never an item. Its scores are curves, one for
each generator; the k-way merge of the curves decides who supplies the next candidate.

A candidate that another generator has supplied already is worth nothing, and the merge drops it. So the
blender learns from those places alone whose item is new when the merge gets there: first when generators
take turns, then, in further rounds, when its own former self merges.
"""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from service.cg.base import Filters, Query
from service.history import EMPTY
from service.mix_features import (
    Context,
    MixSchema,
    feature_names,
    list_lengths,
    request_features,
    rows,
)
from service.mix_model import MixModel
from service.registry import Release
from training.candidate_log import Lists
from training.merge import merge
from training.oblivious_trees import from_catboost_json
from training.progress import track
from training.ranker import make_model, pool
from training.requests import Requests

if TYPE_CHECKING:
    from catboost import CatBoostRanker

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Marks = NDArray[np.bool_]
Rows = NDArray[np.int64]
MAX_PLACES = 200
"""Cities, and stores, that the blender tells apart: the most frequent."""
BEYOND_N = 10


class Config(BaseModel):
    """How the blender is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    N: int = Field(30, ge=1, le=100)
    """A candidate counts if it is among the ranker's best N of its request."""
    target: Literal["ranker", "bought", "both"] = "both"
    """What counts: the ranker would have it in its best N, it really was bought (as a share of all that was, which
    is recall), or the sum of the two shares."""
    positions: int | None = Field(None, ge=1, le=100)
    """Deepest position trained on, beyond which its score holds; none means N + 10."""
    monotone: bool = True
    """Scores may not rise with the position, so that the merge is exact."""
    loss: str = "QueryRMSE"
    """catboost's name of the loss; grouped by request."""
    iterations: int = Field(150, ge=1, le=10_000)
    """Most trees; early stopping usually takes fewer."""
    learning_rate: float = Field(0.15, gt=0, le=1)
    """Step of boosting."""
    depth: int = Field(6, ge=1, le=10)
    """Depth of the trees."""
    rounds: int = Field(2, ge=0, le=10)
    """How often the places that were new are found anew and the blender is trained again; 0 takes all places."""
    max_requests: int = Field(5_000, ge=2)
    """Requests drawn from the candidate log."""
    later_share: float = Field(0.2, gt=0, lt=1)
    """The last requests in time, on which early stopping is judged."""
    patience: int = Field(20, ge=1)
    """Trees without improvement after which training stops."""
    timezone: str = "UTC"
    """IANA name; hour and weekday are local times."""
    seed: int = Field(0, ge=0, lt=2**31)
    """Seed of every random draw."""
    num_threads: int = Field(-1, ge=-1, le=1024)
    """Threads; −1 means one for each core."""

    @property
    def deepest(self) -> int:
        """Number of positions trained on."""
        return min(100, self.N + BEYOND_N) if self.positions is None else self.positions


class Blend(NamedTuple):
    """A trained blender, as catboost has it and as it is served."""

    ranker: "CatBoostRanker"
    model: MixModel
    trees: int


class Seen(NamedTuple):
    """What the blender sees of some requests before any candidate is fetched."""

    features: Floats
    """(n_requests, n_request_features)"""
    lengths: Floats
    """(n_requests, n_cgs)"""


def make_schema(requests: Requests, lists: Lists, accepted: Marks, config: Config) -> MixSchema:
    """Describe what the blender is trained on.

    requests: whose places are the known ones; accepted: marks of an earlier part of the log, whose share in
    a generator's first positions is its historic acceptance.
    """
    depth = config.deepest
    rates = [float(accepted[:, cg, :depth].mean()) if len(accepted) else 0.0 for cg in range(len(lists.cgs))]
    return MixSchema(
        cgs=lists.cgs,
        cities=tuple(_frequent(requests, "city_name")),
        stores=tuple(_frequent(requests, "store_id")),
        timezone=config.timezone,
        acceptance=dict(zip(lists.cgs, rates, strict=True)),
        max_position=depth,
    )


def see(release: Release, requests: Requests, schema: MixSchema, exclude_seen: bool) -> Seen:
    """Return the blender's view of requests, made by the functions that serve."""
    cgs = [release.cgs[name] for name in schema.cgs]
    ids = release.users.ids_of(np.arange(len(release.users), dtype=np.int32))
    contexts = zip(*(requests.frame[name].to_list() for name in ("timestamp", "city_name", "store_id")), strict=True)
    lengths: dict[int, Floats] = {}
    features = np.empty((len(requests), len(feature_names(schema)) - len(schema.cgs) - 3), np.float32)
    for row, (user, (timestamp, city, store)) in enumerate(zip(requests.user.tolist(), contexts, strict=True)):
        history = release.history.lookup(ids[user]) or EMPTY
        context = Context(timestamp, city, None if store is None else str(store))
        features[row] = request_features(history, context, schema)
        if user not in lengths:
            filters = Filters(history.items) if exclude_seen else Filters()
            lengths[user] = list_lengths(cgs, Query(ids[user], history, filters=filters))
    return Seen(features, np.array([lengths[user] for user in requests.user.tolist()], np.float32))


def worth(liked: Marks, bought: Marks, positives: Rows, config: Config) -> Floats:
    """Return what the item at each place adds to the target, (n_requests, n_lists, depth).

    liked, bought: marks of that shape; positives: (n_requests,) how many items were bought. The unit is a
    candidate among the ranker's N.
    """
    of_bought = bought * (config.N / np.maximum(1, positives))[:, None, None]
    value = {"ranker": liked, "bought": of_bought, "both": liked + of_bought}[config.target]
    return value.astype(np.float32)


def train(
    seen: Seen, lists: Lists, list_of: Rows, value: Floats, schema: MixSchema, config: Config, n_items: int
) -> Blend:
    """Train on requests in the order of time.

    value: `worth` of the items at all places; list_of: (n_requests,) the list of each request.

    Raises:
        ValueError: fewer than two requests have candidates.
    """
    turns = np.tile(-np.arange(schema.max_position, dtype=np.float64), (len(list_of), len(schema.cgs), 1))
    kept = _new(lists, list_of, turns, schema, n_items) if config.rounds else _places(lists, list_of, schema)
    for left in range(max(0, config.rounds - 1), -1, -1):
        blend = _train_once(seen, value, kept, schema, config)
        if left:
            kept = _new(lists, list_of, curves(blend.model, seen), schema, n_items)
    return blend


def curves(model: MixModel, seen: Seen) -> Doubles:
    """Return the scores (n_requests, n_cgs, positions) of all places, as they are served."""
    schema = model.schema
    found = np.empty((len(seen.features), len(schema.cgs), schema.max_position))
    for row, (features, lengths) in enumerate(zip(seen.features, seen.lengths, strict=True)):
        found[row] = model.curves(features, schema.cgs, lengths)
    return found


def export(ranker: "CatBoostRanker", schema: MixSchema) -> MixModel:
    """Turn catboost's model into the one that is served."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        ranker.save_model(str(path), format="json")
        return MixModel(from_catboost_json(json.loads(path.read_text(encoding="utf-8"))), schema)


def rising(scores: Doubles) -> float:
    """Return the share of adjacent positions at which the score rises; 0 means that the merge is exact."""
    return float((np.diff(scores, axis=-1) > 0).mean()) if scores.shape[-1] > 1 else 0.0


def _train_once(seen: Seen, value: Floats, kept: Marks, schema: MixSchema, config: Config) -> Blend:
    label = value[:, : len(schema.cgs), : schema.max_position].reshape(len(value), -1)
    useful = np.flatnonzero(kept.any(axis=1))
    cut = len(useful) - max(1, int(len(useful) * config.later_share))
    if cut < 1 or not label[useful][kept[useful]].any():
        raise ValueError(
            f"{len(useful)} request(s) have candidates, of which {int((label[useful] > 0).any(axis=1).sum())} one that "
            "counts; wanted at least two; use more events"
        )
    pools = [_pool(seen, label, kept, part, schema) for part in (useful[:cut], useful[cut:])]
    constraint = {"monotone_constraints": {len(feature_names(schema)) - 1: -1}} if config.monotone else {}
    ranker = make_model(config.loss, config.iterations, config, **constraint)
    ranker.fit(pools[0], eval_set=pools[1], early_stopping_rounds=config.patience)
    return Blend(ranker, export(ranker, schema), ranker.tree_count_)


def _pool(seen: Seen, label: Floats, kept: Marks, requests: Rows, schema: MixSchema) -> object:
    X = [rows(seen.features[row], schema, seen.lengths[row])[kept[row]] for row in track(requests, "features")]
    y = np.concatenate([label[row][kept[row]] for row in requests])
    return pool(np.concatenate(X), y, np.repeat(requests, kept[requests].sum(axis=1)))


def _places(lists: Lists, list_of: Rows, schema: MixSchema) -> Marks:
    """Return (n_requests, n_cgs · positions): where there is an item at all."""
    there = lists.items[:, list_of, : schema.max_position] >= 0
    return there.transpose(1, 0, 2).reshape(len(list_of), -1)


def _new(lists: Lists, list_of: Rows, scores: Doubles, schema: MixSchema, n_items: int) -> Marks:
    """Return which places hold an item that no earlier place of the merge has supplied."""
    n_places = len(schema.cgs) * schema.max_position
    items = np.ascontiguousarray(lists.items[:, :, : schema.max_position])
    no_fill = np.full_like(items[:1], -1)
    picks = merge(np.concatenate([items, no_fill]), list_of, scores, n_items, n_places)
    new = np.zeros((len(list_of), n_places), np.bool_)
    request, pick = np.nonzero(picks >= 0)
    new[request, picks[request, pick]] = True
    return new


def _frequent(requests: Requests, name: str) -> Sequence[str]:
    counts = requests.frame[name].drop_nulls().cast(str).value_counts(sort=True)
    return [str(value) for value in counts.sort("count", name, descending=[True, False])[name].to_list()[:MAX_PLACES]]
