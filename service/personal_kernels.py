"""Ranks a user's own history: serial, nogil, compiled once and cached.

Items are those of the release; `known` and `allowed` hold a flag for each of them, and are empty where
all are; `excluded` is ascending.
"""

import numpy as np
from numba import njit

from service.array_types import Bools, Doubles, Floats, Ints, Longs
from service.kernels import holds

Seconds = Longs

_PLACE_BITS = 24
"""Of a key; the rest is for seconds (34,000 years) or a score."""


@njit(nogil=True, cache=True, inline="always")  # a call would count references to its arrays
def _is_eligible(item: int, known: Bools, excluded: Ints, allowed: Bools) -> bool:
    if (len(known) and not known[item]) or (len(allowed) and not allowed[item]):
        return False
    return not (len(excluded) and holds(excluded, item))


@njit(nogil=True, cache=True)
def count_eligible(items: Ints, known: Bools, excluded: Ints, allowed: Bools) -> int:
    """Return how many items may be returned."""
    count = 0
    if not len(excluded) and not len(allowed):  # seen items allowed, no filter: the usual way to a mix
        for item in items:
            count += not len(known) or known[item]
        return count
    for item in items:
        count += _is_eligible(item, known, excluded, allowed)
    return count


@njit(nogil=True, cache=True)
def _half_lives(last: Seconds, half_life: float) -> Doubles:
    """Return how many half-lives each is later than the latest: none or fewer."""
    latest, found = last.max(), np.empty(len(last))
    for place in range(len(last)):
        found[place] = (last[place] - latest) / half_life
    return found


@njit(nogil=True, cache=True)
def _keys(items: Ints, scores: Floats, known: Bools, excluded: Ints, allowed: Bools) -> Longs:
    """Return for every eligible item a key that ascends as scores fall, then with the place.

    The bits of floats ≥ 0 are ordered as they are, so one number holds score and place.
    """
    bits, keys, size = scores.view(np.int32), np.empty(len(items), np.int64), 0
    for place in range(len(items)):
        if _is_eligible(items[place], known, excluded, allowed):
            keys[size] = (np.int64(2**31 - 1 - bits[place]) << 32) | place
            size += 1
    return keys[:size]


@njit(nogil=True, cache=True)
def _in_order(keys: Longs, items: Ints, scores: Floats, last: Seconds) -> tuple[Ints, Floats]:
    """Return items and scores in the order of sorted keys, the more recent first among equal scores."""
    order, begin = keys & 0xFFFFFFFF, 0
    for end in range(1, len(order) + 1):
        if end == len(order) or scores[order[end]] != scores[order[begin]]:
            for place in range(begin + 1, end):
                if last[order[place - 1]] < last[order[place]]:
                    _recent_first(order[begin:end], last)
                    break
            begin = end
    return items[order], scores[order]


@njit(nogil=True, cache=True)
def _recent_first(order: Longs, last: Seconds) -> None:
    """Sort a part of an order by time, the latest first, what is of one time as it was."""
    latest = last[order].max()
    keys = np.empty(len(order), np.int64)
    for place in range(len(order)):
        keys[place] = ((latest - last[order[place]]) << _PLACE_BITS) | place
    keys.sort()
    order[:] = order[keys & (2**_PLACE_BITS - 1)]


def rank_own(
    items: Ints, weights: Floats, last: Seconds, half_life: float, known: Bools, excluded: Ints, allowed: Bools
) -> tuple[Ints, Floats]:
    """Return the eligible items by weight · 2^(−age / half_life), the more recent first among equals, then by index.

    items: ascending; age: to the last event of all, in the unit of half_life, which may be infinite.
    """
    # NumPy's exp2 and sort use vector instructions: several times as fast as what is compiled here
    scores = (weights * np.exp2(_half_lives(last, half_life))).astype(np.float32)
    keys = _keys(items, scores, known, excluded, allowed)
    keys.sort()
    found: tuple[Ints, Floats] = _in_order(keys, items, scores, last)
    return found


def warm_up() -> None:
    """Compile for histories mapped from disk and in memory."""
    known, allowed = np.ones(1, np.bool_), np.ones(1, np.bool_)
    for writeable in (True, False):
        items, last = np.zeros(1, np.int32), np.zeros(1, np.int64)
        items.flags.writeable = last.flags.writeable = writeable
        for excluded in (items, np.zeros(1, np.int32)):
            rank_own(items, np.ones(1, np.float32), last, 1.0, known, excluded, allowed)
            count_eligible(items, known, excluded, allowed)
