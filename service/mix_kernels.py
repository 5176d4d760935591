"""The merging of several ranked lists into one: serial, nogil, compiled once and cached.

`items` (n_cgs, capacity) holds what was fetched of each list, `lengths` how much that is, `ended` whether
there is no more. A head is the next position of a list, from 0; it competes before its item is fetched.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from service.array_types import Bools, Doubles, Ints

COMPLETE = -1
NONE = -1


class Merged(NamedTuple):
    """A merge as far as it has come; the first `given.sum()` places are taken."""

    item: Ints
    cg: Ints
    """Row of the generator that supplied the item."""
    position: Ints
    """Place of the item in that generator's list, from 0."""
    score: Doubles
    """What won the place; 0 where places are given by share."""
    heads: Ints
    """(n_cgs,)."""
    given: Ints
    """(n_cgs,) places that each generator has."""
    taken: Bools
    """(n_items,)."""


def new_merges(n_merges: int, n: int, n_cgs: int, n_items: int) -> Merged:
    """Return merges that have not begun, a row for each; `taken` is what they have in common: of none anything."""
    shape, score = (n_merges, n), np.zeros((n_merges, n))
    empty, counts = np.empty((3, *shape), np.int32), np.zeros((2, n_merges, n_cgs), np.int32)
    return Merged(empty[0], empty[1], empty[2], score, counts[0], counts[1], np.zeros(n_items, np.bool_))


def part_of(merges: Merged, rows: int | slice) -> Merged:
    """Return one of several, or some, in place."""
    every: Any = merges
    return Merged._make([*(part[rows] for part in every[:-1]), merges.taken])


def new_merge(n: int, n_cgs: int, n_items: int) -> Merged:
    """Return one that has not begun."""
    return part_of(new_merges(1, n, n_cgs, n_items), 0)


@njit(nogil=True, cache=True)
def _best_by_share(shares: Doubles, heads: Ints, given: Ints, lengths: Ints, ended: Bools) -> int:
    """Return the list that is furthest behind its share (Sainte-Laguë's method); equal: the first list."""
    best, best_claim = NONE, np.inf
    for row in range(len(heads)):
        if ended[row] and heads[row] >= lengths[row]:
            continue
        claim = (given[row] + 0.5) / shares[row]
        if best == NONE or claim < best_claim:
            best, best_claim = row, claim
    return best


@njit(nogil=True, cache=True)
def merge_by_curves(merged: Merged, curves: Doubles, items: Ints, lengths: Ints, ended: Bools) -> int:
    """Go on until all places are taken or all lists have ended; return COMPLETE, or the list to be fetched.

    curves (n_cgs, positions): score of each list's positions, finite; beyond them the last one holds. Of heads that
    score the same the lower position comes first, then the first list. All in one function: a call would count
    references to its arrays, which takes longer than all else that is done for an item.
    """
    item_at, cg_at, position_at, score_at, heads, given, taken = merged
    n_cgs, last, size, scores = len(curves), curves.shape[1] - 1, given.sum(), np.empty(len(curves))
    for row in range(n_cgs):
        scores[row] = curves[row, min(heads[row], last)] if not ended[row] or heads[row] < lengths[row] else -np.inf
    while size < len(item_at):
        best, score = NONE, -np.inf
        for row in range(n_cgs):
            own = scores[row]
            if own > score or (own == score and best != NONE and heads[row] < heads[best]):
                best, score = row, own
        if best == NONE or heads[best] >= lengths[best]:
            return best
        head = heads[best]
        item = items[best, head]
        if not taken[item]:
            taken[item] = True
            item_at[size], cg_at[size], position_at[size], score_at[size] = item, best, head, score
            given[best] += 1
            size += 1
        heads[best] = head + 1
        scores[best] = curves[best, min(head + 1, last)] if not ended[best] or head + 1 < lengths[best] else -np.inf
    return COMPLETE


@njit(nogil=True, cache=True)
def merge_each_by_curves(merges: Merged, curves: Doubles, items: Ints, lengths: Ints, ended: Bools) -> Ints:
    """Go on with several merges (`new_merges`); return for each what `merge_by_curves` does.

    curves: (n_merges, n_cgs, positions), the rest likewise.
    """
    rows, taken = np.empty(len(items), np.int32), merges.taken
    for row in range(len(items)):
        item, given = merges.item[row], merges.given[row]
        for place in range(given.sum()):
            taken[item[place]] = True
        own = Merged(item, merges.cg[row], merges.position[row], merges.score[row], merges.heads[row], given, taken)
        rows[row] = merge_by_curves(own, curves[row], items[row], lengths[row], ended[row])
        for place in range(given.sum()):
            taken[item[place]] = False
    return rows


@njit(nogil=True, cache=True)
def merge_by_shares(merged: Merged, shares: Doubles, items: Ints, lengths: Ints, ended: Bools) -> int:
    """Do the same with places given by shares (n_cgs,), each above 0."""
    item_at, cg_at, position_at, _, heads, given, taken = merged
    size = given.sum()
    while size < len(item_at):
        row = _best_by_share(shares, heads, given, lengths, ended)
        if row == NONE or heads[row] >= lengths[row]:
            return row
        item = items[row, heads[row]]
        if not taken[item]:
            taken[item] = True
            item_at[size], cg_at[size], position_at[size] = item, row, heads[row]
            given[row] += 1
            size += 1
        heads[row] += 1
    return COMPLETE


@njit(nogil=True, cache=True)
def planned_depths(curves: Doubles, n: int) -> Ints:
    """Return (n_requests, n_cgs): how many of n places each list would get if none ended and no item came twice.

    curves: (n_requests, n_cgs, positions).
    """
    depths = np.zeros(curves.shape[:2], np.int32)
    for request in range(len(curves)):
        _plan_depths(curves[request], n, depths[request])
    return depths


@njit(nogil=True, cache=True)
def _plan_depths(curves: Doubles, n: int, heads: Ints) -> None:
    scores = curves[:, 0].copy()
    for _ in range(n):
        best = 0
        for row in range(1, len(heads)):
            if scores[row] > scores[best] or (scores[row] == scores[best] and heads[row] < heads[best]):
                best = row
        heads[best] += 1
        scores[best] = curves[best, min(heads[best], curves.shape[1] - 1)]


@njit(nogil=True, cache=True)
def fuse(merged: Merged, items: Ints, lengths: Ints, place: Ints, constant: float) -> int:
    """Sum 1 / (constant + rank) of every item over the lists; return how many items there are.

    Items come in the order in which a walk over all first ranks, then all second ones, … meets them, which
    is where `merged` says they are from. place (n_items,): 0 everywhere, changed: such memory costs nothing
    until it is touched.
    """
    size = 0
    for position in range(items.shape[1]):
        for row in range(len(items)):
            if position >= lengths[row]:
                continue
            item = items[row, position]
            if place[item] == 0:
                merged.item[size], merged.cg[size], merged.position[size] = item, row, position
                size += 1
                place[item] = size
            merged.score[place[item] - 1] += 1.0 / (constant + position + 1)
    return size


def warm_up() -> None:
    """Compile everything for the types it is called with."""
    items, lengths, ended = np.zeros((1, 1, 1), np.int32), np.zeros((1, 1), np.int32), np.ones((1, 1), np.bool_)
    merges, curves, own = new_merges(1, 1, 1, 1), np.zeros((1, 1, 1)), (items[0], lengths[0], ended[0])
    merge_each_by_curves(merges, curves, items, lengths, ended)
    merge_by_shares(new_merge(1, 1, 1), np.ones(1), *own)
    fuse(new_merge(1, 1, 1), items[0], lengths[0], np.zeros(1, np.int32), 60.0)
    planned_depths(curves, 1)
