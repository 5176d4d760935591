"""The ranker that stands for the later stage: what would it like of all candidates of a request?

catboost is imported where it is used, so that every other command works without it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from service.array_types import Bools, Floats, Ints, Longs
from training.candidate_log import END, Lists
from training.progress import track
from training.ranker_features import FEATURES, Facts, city_codes, features
from training.requests import Requests

if TYPE_CHECKING:
    from catboost import CatBoostRanker

REQUESTS_TOGETHER = 500


class Config(BaseModel):
    """How the ranker is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    iterations: int = Field(default=200, ge=1)
    """Most trees; early stopping usually takes fewer."""
    learning_rate: float = Field(default=0.1, gt=0, le=1)
    """Step of boosting."""
    depth: int = Field(default=6, ge=1, le=10)
    """Depth of the trees."""
    loss: str = "QueryRMSE"
    """catboost's name of the loss; grouped by request. QuerySoftMax and YetiRank take five to eight times as long."""
    max_requests: int = Field(default=4_000, ge=10)
    """Requests drawn for training; more make it slower, hardly better."""
    negatives: int = Field(default=100, ge=1)
    """Candidates without a positive that are kept of each request."""
    later_share: float = Field(default=0.2, gt=0, lt=1)
    """The last requests in time, on which early stopping is judged."""
    patience: int = Field(default=30, ge=1)
    """Trees without improvement after which training stops."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Seed of every random draw."""
    num_threads: int = Field(default=-1, ge=-1)
    """Threads; −1 means one for each core."""


@dataclass(frozen=True)
class Pools:
    """The distinct candidates of each user over all generators."""

    starts: Longs
    """(n_users + 1,)"""
    items: Longs
    """Items of user u: items[starts[u]:starts[u + 1]], ascending."""
    ranks: Floats
    """(len(items), n_cgs) 1 / rank of the item in the list of each generator; 0 where it is not in there."""

    @classmethod
    def of(cls, lists: Lists) -> "Pools":
        """Unite the lists of each user."""
        starts, items, ranks = [0], [np.empty(0, np.int64)], [np.empty((0, len(lists.cgs)), np.float32)]
        for row in range(len(lists.users)):
            own = lists.items[:, row]
            pool = np.unique(own)
            pool = pool[pool != END]
            inverse = np.zeros((len(pool), len(own)), np.float32)
            cg, position = np.nonzero(own != END)
            inverse[np.searchsorted(pool, own[cg, position]), cg] = 1 / (position + 1)
            starts.append(starts[-1] + len(pool))
            items.append(pool.astype(np.int64))
            ranks.append(inverse)
        return cls(np.array(starts, np.int64), np.concatenate(items), np.concatenate(ranks))

    def expand(self, list_of: Longs) -> tuple[Longs, Longs]:
        """Return for requests all their candidates: the request of each, and its row of items and ranks."""
        sizes = (self.starts[1:] - self.starts[:-1])[list_of]
        request = np.repeat(np.arange(len(list_of)), sizes)
        before = np.cumsum(sizes) - sizes
        return request, np.arange(len(request)) - before[request] + self.starts[list_of][request]


def train(sources: Sequence[tuple[Requests, Lists]], facts: Facts, config: Config) -> "CatBoostRanker":
    """Learn to tell what was taken from the other candidates of a request.

    sources: requests and their candidates, in more than one way where seen items may be in or out: what
    sells again says nothing of what sells for the first time. facts must be of events before the requests.

    Raises:
        ValueError: there are no two requests in time with a positive and another candidate.
    """
    parts = [_training_rows(requests, lists, facts, config) for requests, lists in sources]
    X, label, time = (np.concatenate(column) for column in zip(*(part[:3] for part in parts), strict=True))
    sizes = np.cumsum([0, *(len(requests) for requests, _ in sources)])
    group = np.concatenate([part[3] + before for part, before in zip(parts, sizes, strict=False)])
    later = time > np.quantile(time, 1 - config.later_share) if len(time) else np.zeros(0, np.bool_)
    if not later.any() or later.all():
        raise ValueError(f"{len(np.unique(group))} request(s) to train the ranker on, wanted two; use more events")
    model = make_model(config.loss, config.iterations, config)
    model.fit(
        pool(X[~later], label[~later], group[~later]),
        eval_set=pool(X[later], label[later], group[later]),
        early_stopping_rounds=config.patience,
    )
    return model


def best_items(
    model: "CatBoostRanker", requests: Requests, lists: Lists, facts: Facts, n: int, list_of: Longs | None = None
) -> Ints:
    """Return the ranker's (n_requests, n) best items over all generators' candidates; −1 where there are fewer.

    list_of: (n_requests,) the list of each request; none: that of its user.
    """
    pools, result = Pools.of(lists), np.full((len(requests), n), END, np.int32)
    list_of = lists.row_of(requests.user) if list_of is None else list_of
    for first in track(range(0, len(requests), REQUESTS_TOGETHER), "ranker"):
        chunk = list_of[first : first + REQUESTS_TOGETHER]
        request, row = pools.expand(chunk)
        if not len(row):
            continue
        item = pools.items[row]
        scores = model.predict(_features(facts, requests, first + request, item, pools.ranks[row]))
        order = np.lexsort((item, -scores, request))
        start = np.searchsorted(request, np.arange(len(chunk)))
        rank = np.arange(len(order)) - start[request[order]]
        best = order[rank < n]
        result[first + request[best], rank[rank < n]] = item[best]
    return result


def make_model(loss: str, iterations: int, config: Any, **more: Any) -> "CatBoostRanker":
    """Return an untrained CatBoostRanker that writes no files and says nothing."""
    from catboost import CatBoostRanker

    return CatBoostRanker(
        loss_function=loss,
        iterations=iterations,
        learning_rate=config.learning_rate,
        depth=config.depth,
        random_seed=config.seed,
        thread_count=config.num_threads,
        border_count=64,
        boosting_type="Plain",  # ordered boosting is several times slower
        model_shrink_rate=0,  # which a monotone constraint would set otherwise, and a baseline forbids
        allow_writing_files=False,
        verbose=False,
        **more,
    )


def pool(X: Floats, label: NDArray[Any], group: Longs, **more: Any) -> Any:
    """Return a catboost Pool of rows grouped by request."""
    from catboost import Pool

    return Pool(X, label=label, group_id=group, **more)


def _training_rows(
    requests: Requests, lists: Lists, facts: Facts, config: Config
) -> tuple[Floats, Bools, Longs, Longs]:
    """Return features, label, time and request of candidates: all that were taken, and some others.

    Positives that no generator found stay out: whatever sets them apart from candidates, such as being
    rare, would be learned as a merit.
    """
    rng = np.random.default_rng(config.seed)
    pools = Pools.of(lists)
    parts = list(_candidates(requests, pools, lists.row_of(requests.user), config.negatives, rng))
    request, row, label = (np.concatenate(column) for column in zip(*parts, strict=True))
    positives = np.bincount(request, label, minlength=len(requests))
    mixed = (positives > 0) & (positives < np.bincount(request, minlength=len(requests)))
    some = mixed[request]
    request, row = request[some], row[some]
    X = _features(facts, requests, request, pools.items[row], pools.ranks[row])
    return X, label[some], requests.timestamps[request], request


def _candidates(
    requests: Requests, pools: Pools, list_of: Longs, keep: int, rng: np.random.Generator
) -> Iterator[tuple[Longs, Longs, Bools]]:
    span = int(max(pools.items.max(initial=0), requests.item.max(initial=0))) + 1
    positives = requests.request * span + requests.item
    for first in range(0, len(requests), REQUESTS_TOGETHER):
        request, row = pools.expand(list_of[first : first + REQUESTS_TOGETHER])
        label = np.isin((first + request) * span + pools.items[row], positives[requests.item >= 0])
        order = np.lexsort((rng.random(len(request)), request, ~label))
        order = order[np.argsort(request[order], kind="stable")]  # of each request first what was taken
        start = np.searchsorted(request, request)
        kept = np.sort(order[label[order] | (np.arange(len(order)) - start < keep)])
        yield first + request[kept], row[kept], label[kept]


def _features(facts: Facts, requests: Requests, request: Longs, item: Longs, ranks: Floats) -> Floats:
    city = city_codes(facts, requests.frame["city_name"])
    user = requests.user.astype(np.int64)
    own = features(facts, user[request], item, requests.timestamps[request], city[request])
    return np.hstack([own, ranks])


def importance(model: "CatBoostRanker", cgs: Sequence[str]) -> dict[str, float]:
    """Return how much each feature matters, in per cent, the most important first."""
    names = (*FEATURES, *(f"rank_{name}" for name in cgs))
    values = dict(zip(names, model.get_feature_importance(type="PredictionValuesChange"), strict=True))
    return dict(sorted(values.items(), key=lambda pair: -pair[1]))
