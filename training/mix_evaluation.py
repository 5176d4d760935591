"""How good a blend is: recall, and the share of the ranker's best that it contains, at equal lengths."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from training.candidate_log import Lists
from training.merge import Ints, mark, reciprocal, share, single
from training.quotas import search
from training.requests import Requests

Doubles = NDArray[np.float64]
Marks = NDArray[np.bool_]
RECALL, LIKED = "recall", "liked"
MEASURES = (RECALL, LIKED)
LIKED_N = 30
RESAMPLES = 1_000


@dataclass(frozen=True)
class Part:
    """The requests of a part of the log with the candidates of all generators."""

    requests: Requests
    lists: Lists
    best: Ints
    """(n_requests, ≥ 30) the ranker's best candidates of each request, best first, −1 where there are fewer."""
    n_items: int

    @cached_property
    def items(self) -> Ints:
        """(n_cgs + 1, n_lists, depth); the last is the fill."""
        return np.ascontiguousarray(np.concatenate([self.lists.items, self.lists.fill[None]]))

    @cached_property
    def list_of(self) -> NDArray[np.int64]:
        """(n_requests,) the list of each request."""
        return self.lists.row_of(self.requests.user)

    @cached_property
    def bought(self) -> Marks:
        """(n_requests, n_cgs + 1, depth): the item there is a positive of the request."""
        return mark(self.items, self.list_of, self.requests.request, self.requests.item, self.n_items)

    def liked(self, n: int) -> Marks:
        """Return likewise whether it is among the ranker's best n."""
        best = self.best[:, :n]
        request = np.repeat(np.arange(len(best)), best.shape[1])
        return mark(self.items, self.list_of, request, best.ravel().astype(np.int64), self.n_items)

    @cached_property
    def marks(self) -> dict[str, Marks]:
        """What each measure counts, (n_requests, places)."""
        return {
            RECALL: self.bought.reshape(len(self.requests), -1),
            LIKED: self.liked(LIKED_N).reshape(len(self.requests), -1),
        }

    @cached_property
    def totals(self) -> dict[str, NDArray[np.int64]]:
        """What each measure divides by, (n_requests,)."""
        return {
            RECALL: self.requests.positives,
            LIKED: np.maximum(1, (self.best[:, :LIKED_N] >= 0).sum(axis=1)),
        }

    def values(self, picks: Ints, measure: str) -> Doubles:
        """Return the measure of places (n_requests, n) for each request."""
        hit = np.take_along_axis(self.marks[measure], np.maximum(picks, 0), axis=1) & (picks >= 0)
        return np.asarray(hit.sum(axis=1) / self.totals[measure])

    def single(self, cg: int, n: int) -> Ints:
        """Return the places of one generator and the fill."""
        return single(self.items, self.list_of, cg, self.n_items, n)

    def quota(self, shares: Doubles, n: int) -> Ints:
        """Return the places of a fixed quota."""
        return share(self.items, self.list_of, shares, self.n_items, n)

    def rrf(self, n: int) -> Ints:
        """Return the places of reciprocal rank fusion."""
        return reciprocal(self.items, self.list_of, self.n_items, n)


@dataclass(frozen=True)
class Chosen:
    """The baselines that a validation part prefers, for one measure at one length."""

    single: str
    shares: Doubles


def choose(part: Part, measure: str, n: int) -> Chosen:
    """Choose the best single generator and the best fixed quota."""
    cgs = part.lists.cgs
    alone = [part.values(part.single(cg, n), measure).mean() for cg in range(len(cgs))]
    by_user = _one_of_each_list(part)
    shares, _ = search(lambda shares: by_user(shares, measure, n), len(cgs))
    return Chosen(cgs[int(np.argmax(alone))], shares)


def interval(values: Doubles, user: NDArray[np.int32], weights: Doubles) -> tuple[float, float, float]:
    """Return the mean over requests and its 95 % interval from a bootstrap over users.

    weights: `resamples(user)`.
    """
    _, row = np.unique(user, return_inverse=True)
    sums, sizes = np.bincount(row, values), np.bincount(row).astype(np.float64)
    means = (weights @ sums) / (weights @ sizes)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(values.mean()), float(low), float(high)


def resamples(user: NDArray[np.int32], seed: int = 0, count: int = RESAMPLES) -> Doubles:
    """Return (count, n_users): how often each user is drawn; the same draws for all that is compared."""
    n = len(np.unique(user))
    return np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=count).astype(np.float64)


def compare(
    part: Part, strategies: Mapping[str, Ints], measure: str, best: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Return for each strategy its mean and interval, and how far MixiGen's (the last one's) is above it.

    strategies: name → places, all (n_requests, n); best: names that the last one must not be below.
    """
    user = part.requests.user
    weights = resamples(user)
    found = {name: part.values(picks, measure) for name, picks in strategies.items()}
    *_, ours = found.values()
    rows: dict[str, dict[str, float]] = {}
    for name, values in found.items():
        mean, low, high = interval(values, user, weights)
        gain, gain_low, gain_high = interval(ours - values, user, weights)
        rows[name] = {"mean": mean, "low": low, "high": high}
        if ours is not values:
            rows[name] |= {"gain": gain, "gain_low": gain_low, "gain_high": gain_high}
        rows[name]["baseline"] = name in best
    return rows


def _one_of_each_list(part: Part):  # type: ignore[no-untyped-def]
    """Return a fast value of shares: a fixed quota gives all requests of a user the same places."""
    lists = np.arange(part.items.shape[1])
    order = np.argsort(part.list_of, kind="stable")
    marks = {name: part.marks[name] / part.totals[name][:, None] for name in MEASURES}
    del order
    summed: dict[str, Doubles] = {}

    def value(shares: Doubles, measure: str, n: int) -> float:
        if measure not in summed:
            table = np.zeros((len(lists), marks[measure].shape[1]))
            np.add.at(table, part.list_of, marks[measure])
            summed[measure] = table
        picks = share(part.items, lists, shares, part.n_items, n)
        worth = np.take_along_axis(summed[measure], np.maximum(picks, 0), axis=1)
        return float(np.where(picks >= 0, worth, 0).sum() / len(part.requests))

    return value
