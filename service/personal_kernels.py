"""Ranks a user's own history: serial, nogil, compiled once and cached.

Items are those of the release; `to_model` holds the model's item of each, −1 where it has none, and `allowed` a flag:
empty where all are there or allowed. `excluded` is ascending.
"""

import numpy as np
from numba import njit

from service.array_types import Bools, Doubles, Floats, Ints, Longs
from service.history_kernels import weight
from service.kernels import holds
from service.reaching import reaching
from service.top_kernels import bar, best_first

Seconds = Longs

_PLACE_BITS = 24
"""Of a key; the rest is for seconds (34,000 years)."""


@njit(nogil=True, cache=True)
def _eligible(items: Ints, to_model: Ints, excluded: Ints, allowed: Bools) -> Ints:
    """Return the places of items that may be returned: a pass for each reason, most of which are seldom there."""
    places, size = np.empty(len(items), np.int32), 0
    for place in range(len(items)):
        places[size] = place
        size += len(to_model) == 0 or to_model[items[place]] >= 0
    if len(allowed):
        places, size = places[:size], 0
        for own in places:
            places[size] = own
            size += allowed[items[own]]
    if len(excluded):
        places, size = places[:size], 0
        for own in places:
            places[size] = own
            size += not holds(excluded, items[own])
    return places[:size]


@njit(nogil=True, cache=True)
def count_eligible(items: Ints, to_model: Ints, excluded: Ints, allowed: Bools) -> int:
    """Return how many items may be returned."""
    return len(_eligible(items, to_model, excluded, allowed))


@njit(nogil=True, cache=True)
def count_known(items: Ints, starts: Ints, to_model: Ints) -> Ints:
    """Return how many items the model knows of each history items[starts[q] : starts[q + 1]]."""
    counts = np.zeros(len(starts) - 1, np.int32)
    for q in range(len(counts)):
        for item in items[starts[q] : starts[q + 1]]:
            counts[q] += len(to_model) == 0 or to_model[item] >= 0
    return counts


@njit(nogil=True, cache=True)
def half_lives(last: Seconds, starts: Ints, half_life: float) -> Doubles:
    """Return how many half-lives each is later than the latest of its history: none or fewer.

    last[starts[q] : starts[q + 1]]: history q; half_life: in seconds, may be infinite.
    """
    found = np.empty(len(last))
    for q in range(len(starts) - 1):
        own = last[starts[q] : starts[q + 1]]
        latest = own.max() if len(own) else 0
        for place in range(len(own)):
            found[starts[q] + place] = (own[place] - latest) / half_life
    return found


@njit(nogil=True, cache=True)
def _recent_first(order: Ints, last: Seconds) -> None:
    """Sort a part of an order by time, the latest first, what is of one time as it was."""
    latest = last[order].max()
    keys = np.empty(len(order), np.int64)
    for place in range(len(order)):
        keys[place] = ((latest - last[order[place]]) << _PLACE_BITS) | place
    keys.sort()
    order[:] = order[keys & (2**_PLACE_BITS - 1)]


@njit(nogil=True, cache=True)
def _settle_equals(order: Ints, scores: Floats, last: Seconds) -> None:
    """Put the more recent first among equal scores; scores: falling, of `order`."""
    begin = 0
    for end in range(1, len(order) + 1):
        if end == len(order) or scores[end] != scores[begin]:
            for place in range(begin + 1, end):
                if last[order[place - 1]] < last[order[place]]:
                    _recent_first(order[begin:end], last)
                    break
            begin = end


@njit(nogil=True, cache=True)
def best_own(
    items: Ints,
    counts: Ints,
    last: Seconds,
    decay: Doubles,
    weighting: int,
    to_model: Ints,
    excluded: Ints,
    allowed: Bools,
    k: int,
) -> tuple[Ints, Floats]:
    """Return the best k eligible items by weight · decay, the more recent first among equals, then by index.

    items: ascending; decay: 2^`half_lives`; weighting: one of `history_kernels.WEIGHTINGS`.
    """
    places = _eligible(items, to_model, excluded, allowed)
    scores = np.empty(len(places), np.float32)
    for rank in range(len(places)):
        scores[rank] = weight(counts[places[rank]], weighting) * decay[places[rank]]
    if len(places) > k:
        enough = reaching(scores, bar(scores, k, k))
        places, scores = places[enough], scores[enough]
    order, scores = best_first(places, scores, len(places))
    _settle_equals(order, scores, last)
    return items[order[:k]], scores[:k]


@njit(nogil=True, cache=True)
def best_own_of_each(
    items: Ints,
    counts: Ints,
    last: Seconds,
    starts: Ints,
    decay: Doubles,
    weighting: int,
    to_model: Ints,
    excluded: Ints,
    excluded_starts: Ints,
    k: int,
) -> tuple[Ints, Floats, Ints]:
    """Return `best_own` of b histories: items (b, k), scores (b, k), and how many there are (b,)."""
    n, all_allowed = len(starts) - 1, np.empty(0, np.bool_)
    best, scores, sizes = np.zeros((n, k), np.int32), np.zeros((n, k), np.float32), np.zeros(n, np.int32)
    for q in range(n):
        begin, end = starts[q], starts[q + 1]
        without = excluded[excluded_starts[q] : excluded_starts[q + 1]]
        own = items[begin:end], counts[begin:end], last[begin:end], decay[begin:end]
        found, their = best_own(*own, weighting, to_model, without, all_allowed, k)
        sizes[q] = len(found)
        best[q, : len(found)], scores[q, : len(found)] = found, their
    return best, scores, sizes


def warm_up() -> None:
    """Compile for histories mapped from disk and in memory."""
    to_model, allowed, starts = np.zeros(1, np.int32), np.ones(1, np.bool_), np.array([0, 1], np.int32)
    for writeable in (True, False):
        items, last = np.zeros(1, np.int32), np.zeros(1, np.int64)
        items.flags.writeable = last.flags.writeable = writeable
        decay = half_lives(last, starts, 1.0)
        for excluded in (items, np.zeros(1, np.int32)):
            best_own(items, items, last, decay, 0, to_model, excluded, allowed, 1)
            count_eligible(items, to_model, excluded, allowed)
    count_known(items.copy(), starts, to_model)
    best_own_of_each(items.copy(), items.copy(), last.copy(), starts, decay, 0, to_model, items.copy(), starts, 1)
