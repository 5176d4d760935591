"""The merging of several ranked lists into one: serial, nogil, compiled once and cached.

`items` (n_cgs, capacity) holds what was fetched of each list, `lengths` how much that is, `ended` whether
there is no more. A head is the next position of a list, from 0; it competes before its item is fetched.
"""

from typing import NamedTuple

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


def new_merge(n: int, n_cgs: int, n_items: int) -> Merged:
    """Return a merge that has not begun."""
    empty, score = np.empty((3, n), np.int32), np.zeros(n)
    counts = np.zeros((2, n_cgs), np.int32)
    return Merged(empty[0], empty[1], empty[2], score, counts[0], counts[1], np.zeros(n_items, np.bool_))


@njit(nogil=True, cache=True)
def _best_by_curve(curves: Doubles, heads: Ints, lengths: Ints, ended: Bools) -> int:
    """Return the list whose head scores highest; equal scores: the lower position, then the first list."""
    best, best_score = NONE, -np.inf
    for row in range(len(heads)):
        head = heads[row]
        if ended[row] and head >= lengths[row]:
            continue
        score = curves[row, min(head, curves.shape[1] - 1)]
        if best == NONE or score > best_score or (score == best_score and head < heads[best]):
            best, best_score = row, score
    return best


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
def _take(merged: Merged, row: int, item: int, score: float) -> bool:
    """Move a list's head on; give its item the next place unless it has one. Return whether it was given."""
    head = merged.heads[row]
    merged.heads[row] = head + 1
    if merged.taken[item]:
        return False
    size = merged.given.sum()
    merged.taken[item] = True
    merged.item[size], merged.cg[size], merged.position[size], merged.score[size] = item, row, head, score
    merged.given[row] += 1
    return True


@njit(nogil=True, cache=True)
def merge_by_curves(merged: Merged, curves: Doubles, items: Ints, lengths: Ints, ended: Bools) -> int:
    """Go on until all places are taken or all lists have ended; return COMPLETE, or the list to be fetched.

    curves (n_cgs, positions): score of each list's positions; beyond them the last one holds.
    """
    size = merged.given.sum()
    while size < len(merged.item):
        row = _best_by_curve(curves, merged.heads, lengths, ended)
        if row == NONE or merged.heads[row] >= lengths[row]:
            return row
        head = merged.heads[row]
        size += _take(merged, row, items[row, head], curves[row, min(head, curves.shape[1] - 1)])
    return COMPLETE


@njit(nogil=True, cache=True)
def merge_by_shares(merged: Merged, shares: Doubles, items: Ints, lengths: Ints, ended: Bools) -> int:
    """Do the same with places given by shares (n_cgs,), each above 0."""
    size = merged.given.sum()
    while size < len(merged.item):
        row = _best_by_share(shares, merged.heads, merged.given, lengths, ended)
        if row == NONE or merged.heads[row] >= lengths[row]:
            return row
        size += _take(merged, row, items[row, merged.heads[row]], 0.0)
    return COMPLETE


@njit(nogil=True, cache=True)
def planned_depths(curves: Doubles, n: int) -> Ints:
    """Return how many of n places each list would get if none ended and no item came twice."""
    heads = np.zeros(len(curves), np.int32)
    lengths, ended = heads.copy(), np.zeros(len(curves), np.bool_)
    for _ in range(n):
        heads[_best_by_curve(curves, heads, lengths, ended)] += 1
    return heads


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
    items, lengths, ended = np.zeros((1, 1), np.int32), np.zeros(1, np.int32), np.ones(1, np.bool_)
    merge_by_curves(new_merge(1, 1, 1), np.zeros((1, 1)), items, lengths, ended)
    merge_by_shares(new_merge(1, 1, 1), np.ones(1), items, lengths, ended)
    fuse(new_merge(1, 1, 1), items, lengths, np.zeros(1, np.int32), 60.0)
    planned_depths(np.zeros((1, 1)), 1)
