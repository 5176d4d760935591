"""The best fixed allocation for some requests: what each place is worth to them on average; trees build on it.

A candidate that another generator has supplied already is worth nothing and takes no place: the merge drops
it. So what a place is worth depends on what was taken before it, and the places are put in order greedily: next
comes the stretch, from the head of any list, whose items that are new at that moment are worth most on average
(Nemhauser et al. 1978: what greed gets of a coverage is never far from the best).
"""

import numba
import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import isotonic_regression

from service.array_types import Bools, Doubles, Floats, Ints, Longs
from training.candidate_log import END, Lists
from training.merge import merge

AHEAD = 20
"""Longest stretch: what a generator has further down cannot make up for the places before it."""
_COARSER = 8
"""A stretch is at least as long as this share of what was taken of its list: far down single places tell nothing."""
_TIE = 1e-9
"""By which a place is worth less than the one before it where both are worth the same."""


def base_curves(lists: Lists, list_of: Longs, value: Floats, *, monotone: bool) -> Doubles:
    """Return (n_cgs, positions): the mean value of the new items at each place, falling if `monotone`.

    lists: cut to the positions; list_of: (n_requests,) the list of each request; value: (n_requests, n_cgs,
    positions).
    """
    one = np.zeros(len(list_of), np.int64)
    base: Doubles = segment_curves(numbered(lists.items), list_of, value, one, 1, monotone=monotone)[0]
    return base


def segment_curves(
    numbers: Ints, list_of: Longs, value: Floats, segment: Longs, n_segments: int, *, monotone: bool
) -> Doubles:
    """Return likewise (n_segments, n_cgs, positions), for the requests of each segment (n_requests,).

    numbers: `numbered` items of the lists.
    """
    order = np.argsort(segment, kind="stable")
    starts = np.searchsorted(segment[order], np.arange(n_segments + 1))
    ordered = _in_order_of_all(numbers, list_of[order], value[order], starts)
    curves = np.zeros((n_segments, *numbers.shape[::2]))
    for own, cg, position, total, count in zip(curves, *ordered, strict=True):
        own[cg, position] = _worth(total, count, monotone)
    return curves


def _worth(total: Doubles, count: Longs, monotone: bool) -> Doubles:
    """Return what places in order are worth: the mean, and if `monotone` none more than the one before it."""
    mean = total / np.maximum(1, count)
    if monotone:
        known = np.flatnonzero(count)
        falling = isotonic_regression(mean[known], sample_weight=count[known], increasing=False) if len(known) else []
        # what was never new is worth what comes after it
        mean = np.append(falling, 0.0)[np.searchsorted(known, np.arange(len(mean)))] - _TIE * np.arange(len(mean))
    return np.asarray(mean)


def in_turns(n_cgs: int, depth: int) -> Doubles:
    """Return the curves (n_cgs, depth) by which every generator supplies in turn."""
    return np.tile(-np.arange(depth, dtype=np.float64), (n_cgs, 1))


def new_places(lists: Lists, list_of: Longs, curves: Doubles, n_items: int) -> Bools:
    """Return (n_requests, n_cgs, positions): which places hold an item that no earlier place of the merge has.

    curves: (n_requests, n_cgs, positions).
    """
    n_cgs, _, depth = lists.items.shape
    no_fill = np.full_like(lists.items[:1], END)
    picks = merge(np.concatenate([lists.items, no_fill]), list_of, curves, n_items, n_cgs * depth)
    new = np.zeros((len(list_of), n_cgs * depth), np.bool_)
    request, pick = np.nonzero(picks >= 0)
    new[request, picks[request, pick]] = True
    return new.reshape(-1, n_cgs, depth)


@numba.njit(parallel=True, cache=True)
def numbered(items: Ints) -> Ints:
    """Return (n_cgs, n_lists, depth) numbers from 0 for the distinct items of each user's lists, END for none."""
    depth, numbers = items.shape[2], np.full(items.shape, END, np.int32)
    for row in numba.prange(items.shape[1]):
        own = items[:, row].copy().ravel()
        number, before = -1, END
        for place in np.argsort(own):
            if own[place] != before:
                number, before = number + 1, own[place]
            if before != END:
                numbers[place // depth, row, place % depth] = number
    return numbers


@numba.njit(parallel=True, cache=True)
def _in_order_of_all(
    items: Ints, list_of: Longs, value: Floats, starts: Longs
) -> tuple[Longs, Longs, Doubles, NDArray[np.int64]]:
    """Return for each segment generator and position of all places in order, what new items were worth, their number.

    items: `numbered`; list_of, value: of requests segment by segment, which begin at `starts`.
    """
    size, n = len(items) * items.shape[2], len(starts) - 1
    cgs, positions = np.empty((n, size), np.int64), np.empty((n, size), np.int64)
    totals, counts = np.empty((n, size)), np.empty((n, size), np.int64)
    for segment in numba.prange(n):
        some = slice(starts[segment], starts[segment + 1])
        _put_in_order(
            items, list_of[some], value[some], cgs[segment], positions[segment], totals[segment], counts[segment]
        )
    return cgs, positions, totals, counts


@numba.njit(cache=True)
def _put_in_order(
    items: Ints,
    list_of: Longs,
    value: Floats,
    cgs: Longs,
    positions: Longs,
    totals: Doubles,
    counts: NDArray[np.int64],
) -> None:
    n_cgs, _, depth = items.shape
    taken = np.zeros((len(list_of), n_cgs * depth), np.bool_)
    heads, size = np.zeros(n_cgs, np.int64), 0
    total, count = np.zeros((n_cgs, AHEAD)), np.zeros((n_cgs, AHEAD), np.int64)
    while size < len(cgs):
        _look_ahead(items, list_of, value, taken, heads, total, count)
        cg, length = _densest(total, count, heads, depth)
        for ahead in range(length):
            cgs[size], positions[size] = cg, heads[cg] + ahead
            totals[size], counts[size] = total[cg, ahead], count[cg, ahead]
            size += 1
        _take(items, list_of, taken, cg, heads[cg], length)
        heads[cg] += length


@numba.njit(cache=True)
def _look_ahead(
    items: Ints,
    list_of: Longs,
    value: Floats,
    taken: Bools,
    heads: Longs,
    total: Doubles,
    count: NDArray[np.int64],
) -> None:
    """Write (n_cgs, AHEAD): what the new items at each place after the heads are worth, and their number."""
    total[:], count[:] = 0.0, 0
    for request in range(len(list_of)):
        for cg in range(len(heads)):
            first = heads[cg]
            for position in range(first, min(first + AHEAD, items.shape[2])):
                item = items[cg, list_of[request], position]
                if item != END and not taken[request, item]:
                    total[cg, position - first] += value[request, cg, position]
                    count[cg, position - first] += 1


@numba.njit(cache=True)
def _densest(total: Doubles, count: NDArray[np.int64], heads: Longs, depth: int) -> tuple[int, int]:
    """Return the list, and the length of the stretch from its head, with the highest mean of new items."""
    best_cg, best_length, best_density = -1, 0, -1.0
    for cg in range(len(heads)):
        worth, new, left = 0.0, 0, depth - heads[cg]
        for ahead in range(min(AHEAD, left)):
            worth += total[cg, ahead]
            new += count[cg, ahead]
            density = worth / max(1, new)
            if density > best_density and ahead + 1 >= min(1 + heads[cg] // _COARSER, left):
                best_cg, best_length, best_density = cg, ahead + 1, density
    return best_cg, best_length


@numba.njit(cache=True)
def _take(items: Ints, list_of: Longs, taken: Bools, cg: int, first: int, length: int) -> None:
    for request in range(len(list_of)):
        for position in range(first, first + length):
            item = items[cg, list_of[request], position]
            if item != END:
                taken[request, item] = True
