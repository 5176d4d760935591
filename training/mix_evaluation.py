"""How good a blend is: recall, and the share of the ranker's best that it contains, at equal lengths."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from service.array_types import Bools, Doubles, Ints, Longs
from service.release_manifest import MIXIGEN
from training.candidate_log import END, Lists
from training.merge import mark, reciprocal, share, single
from training.quotas import search
from training.requests import Requests

Table = dict[str, dict[str, float]]
RECALL, LIKED = "recall", "liked"
MEASURES = (RECALL, LIKED)
LIKED_N = 30
QUOTA = "best quota"
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
    def list_of(self) -> Longs:
        """(n_requests,) the list of each request."""
        return self.lists.row_of(self.requests.user)

    @cached_property
    def bought(self) -> Bools:
        """(n_requests, n_cgs + 1, depth): the item there is a positive of the request."""
        return mark(self.items, self.list_of, self.requests.request, self.requests.item, self.n_items)

    def liked(self, n: int) -> Bools:
        """Return likewise whether it is among the ranker's best n."""
        best = self.best[:, :n]
        request = np.repeat(np.arange(len(best)), best.shape[1])
        return mark(self.items, self.list_of, request, best.ravel().astype(np.int64), self.n_items)

    @cached_property
    def marks(self) -> dict[str, Bools]:
        """What each measure counts, (n_requests, places)."""
        return {
            RECALL: self.bought.reshape(len(self.requests), -1),
            LIKED: self.liked(LIKED_N).reshape(len(self.requests), -1),
        }

    @cached_property
    def totals(self) -> dict[str, Longs]:
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

    def take(self, rows: Longs) -> "Part":
        """Return some requests, by ascending row."""
        return Part(self.requests.take(rows), self.lists, self.best[rows], self.n_items)

    def without(self, cg: int) -> "Part":
        """Return the part as if a generator had nothing to say; what counts stays what it was."""
        items = self.lists.items.copy()
        items[cg] = END
        return Part(self.requests, replace(self.lists, items=items), self.best, self.n_items)


@dataclass(frozen=True)
class Chosen:
    """The baselines that a validation part prefers, for one measure at one length."""

    single: str
    shares: Doubles


def choose(part: Part, measure: str, n: int) -> Chosen:
    """Choose the best single generator and the best fixed quota."""
    cgs = part.lists.cgs
    alone = [part.values(part.single(cg, n), measure).mean() for cg in range(len(cgs))]
    shares, _ = search(_value_of_shares(part, measure, n), len(cgs))
    return Chosen(cgs[int(np.argmax(alone))], shares)


def baselines(part: Part, chosen: Chosen, n: int) -> dict[str, Ints]:
    """Return the places of all that MixiGen is compared with."""
    cgs = part.lists.cgs
    return {
        **{name: part.single(cg, n) for cg, name in enumerate(cgs)},
        "round_robin": part.quota(np.ones(len(cgs)), n),
        "rrf": part.rrf(n),
        QUOTA: part.quota(chosen.shares, n),
    }


def compare(part: Part, ours: Ints, others: Mapping[str, Ints], measure: str) -> Table:
    """Return for MixiGen and each other strategy its mean, and how far MixiGen is above it.

    Both come with a 95 % interval from a bootstrap over users; all places are (n_requests, n).
    """
    user = part.requests.user
    weights = resamples(user)
    own = part.values(ours, measure)
    rows: Table = {}
    for name, picks in others.items():
        values = part.values(picks, measure)
        gain, low, high = interval(own - values, user, weights)
        rows[name] = {**_mean(values, user, weights), "gain": gain, "gain low": low, "gain high": high}
    return {**rows, MIXIGEN: _mean(own, user, weights)}


def interval(values: Doubles, user: Ints, weights: Doubles) -> tuple[float, float, float]:
    """Return the mean over requests and its 95 % interval; weights: `resamples(user)`."""
    _, row = np.unique(user, return_inverse=True)
    sums, sizes = np.bincount(row, values), np.bincount(row).astype(np.float64)
    low, high = np.quantile((weights @ sums) / (weights @ sizes), [0.025, 0.975])
    return float(values.mean()), float(low), float(high)


def resamples(user: Ints, seed: int = 0, count: int = RESAMPLES) -> Doubles:
    """Return (count, n_users): how often each user is drawn; the same draws for all that is compared."""
    n = len(np.unique(user))
    return np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=count).astype(np.float64)


def _mean(values: Doubles, user: Ints, weights: Doubles) -> dict[str, float]:
    return dict(zip(("mean", "low", "high"), interval(values, user, weights), strict=True))


def _value_of_shares(part: Part, measure: str, n: int) -> Callable[[Doubles], float]:
    """Return shares → mean of the measure; a fixed quota gives all requests of a user the same places."""
    lists = np.arange(part.items.shape[1])
    by_list = np.zeros((len(lists), part.marks[measure].shape[1]), np.float32)
    np.add.at(by_list, part.list_of, part.marks[measure] / part.totals[measure][:, None].astype(np.float32))

    def value(shares: Doubles) -> float:
        picks = share(part.items, lists, shares, part.n_items, n)
        found = np.take_along_axis(by_list, np.maximum(picks, 0), axis=1)
        return float(np.where(picks >= 0, found, 0).sum() / len(part.requests))

    return value
