"""Quality of ranked lists, vectorised over all requests; see `evaluation` for what is fed in.

A *unit* is what is averaged over: a request, or a user. Every unit points to one list (a user's
list serves all of the user's requests) and has a set of positive items.
"""

from dataclasses import dataclass

import numpy as np

from service.array_types import Doubles, Floats, Ints, Longs


@dataclass(frozen=True)
class Positives:
    """The items to be found, one row for each (unit, item), distinct."""

    unit: Longs
    """(n,) 0 … n_units − 1; every unit occurs."""
    item: Longs
    """(n,) the release's index of the item, −1 if the release does not know it: always a miss."""
    list_of_unit: Longs
    """(n_units,) the row of `lists` that belongs to the unit."""

    @property
    def n_units(self) -> int:
        """Number of units."""
        return len(self.list_of_unit)

    @property
    def counts(self) -> Longs:
        """Number of positives of each unit, unknown items included."""
        return np.bincount(self.unit, minlength=self.n_units)


def ranks(lists: Ints, positives: Positives) -> Longs:
    """Return the 0-based rank of each positive in its unit's list; the list's length where absent.

    lists: (n_lists, k) items best first, padded with −1.
    """
    k = lists.shape[1]
    span = int(max(lists.max(initial=0), positives.item.max(initial=0))) + 1
    row, rank = np.nonzero(lists >= 0)
    keys = row.astype(np.int64) * span + lists[row, rank]
    order = np.argsort(keys)
    keys, rank = np.append(keys[order], -1), np.append(rank[order], k)
    wanted = positives.list_of_unit[positives.unit] * span + positives.item
    place = np.searchsorted(keys[:-1], wanted)
    hit = (keys[place] == wanted) & (positives.item >= 0)
    return np.where(hit, rank[place], k).astype(np.int64)


def recall(rank: Longs, positives: Positives, k: int) -> Doubles:
    """Return hits in the top k / distinct positives, for each unit."""
    hits = np.bincount(positives.unit, rank < k, minlength=positives.n_units)
    return hits / positives.counts


def ndcg(rank: Longs, positives: Positives, k: int) -> Doubles:
    """Return binary-gain NDCG for each unit; the ideal list has min(k, positives) hits.

    As in the tables of LightGCN (He et al. 2020): gain 1 / log2(rank + 2) for 0-based ranks.
    """
    gain = np.where(rank < k, 1.0 / np.log2(rank + 2.0), 0.0)
    dcg = np.bincount(positives.unit, gain, minlength=positives.n_units)
    ideal = np.cumsum(1.0 / np.log2(np.arange(k) + 2.0))
    return np.asarray(dcg / ideal[np.minimum(k, positives.counts) - 1])


def novelty(lists: Ints, users_share: Floats, k: int) -> Doubles:
    """Return, for each list, the mean over its top k of 1 − share of users who had the item."""
    top = lists[:, :k]
    there = top >= 0
    value = np.where(there, 1.0 - users_share[np.maximum(top, 0)], 0.0)
    return np.asarray(value.sum(axis=1) / np.maximum(1, there.sum(axis=1)))


def category_diversity(lists: Ints, categories: Ints, k: int) -> Doubles:
    """Return, for each list, distinct categories / items in its top k; no category is not one."""
    top = lists[:, :k]
    there = top >= 0
    found = np.sort(np.where(there, categories[np.maximum(top, 0)], -1), axis=1)
    first = np.ones(found.shape, bool)
    first[:, 1:] = found[:, 1:] != found[:, :-1]
    distinct = (first & (found >= 0)).sum(axis=1)
    return np.asarray(distinct / np.maximum(1, there.sum(axis=1)))
