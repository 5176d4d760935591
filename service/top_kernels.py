"""Which of many scores are the best: serial, nogil, compiled once and cached.

Nothing is sorted but what is returned. A bar that k values reach is found by halving: to count how many reach a bar
takes a sixteenth of an operation for each, so twenty counts are a fraction of what a partition takes.
"""

from typing import Any

import numpy as np
from numba import njit

from service.array_types import Floats, Ints
from service.reaching import reaching

NOT_ELIGIBLE = np.float32(-np.inf)
LOWEST = np.float32(np.finfo(np.float32).min)
"""What every score reaches but that of an item that is not eligible."""
_LARGEST_GROUP, _GROUPS_PER_ITEM = 1024, 8
_COUNTED = 512
"""So many are put in order by counting for each how many are better, which takes one operation for sixteen; for
more, sorting is faster."""


@njit(nogil=True, cache=True, fastmath={"nnan", "nsz", "reassoc"})
def group_maxima(scores: Floats, groups: int) -> Floats:
    """Return the best score of each group that qualifies, −inf where none does; group of an item = item mod groups.

    Groups lie side by side, so that many maxima are taken by one instruction.
    """
    maxima = np.full(groups, NOT_ELIGIBLE, np.float32)
    for start in range(0, len(scores), groups):
        part = scores[start : start + groups]
        for group in range(len(part)):
            maxima[group] = max(maxima[group], part[group] if part[group] != 0.0 else NOT_ELIGIBLE)
    return maxima


@njit(nogil=True, cache=True)
def _count(values: Floats, least: Any) -> Any:
    """Return how many values are `least` or more."""
    count = np.uint32(0)  # 32 bits and an index: else it takes many times as long
    for place in range(len(values)):
        count = np.uint32(count + np.uint32(values[place] >= least))
    return count


@njit(nogil=True, cache=True, fastmath={"nnan", "nsz"})
def _ends(values: Floats) -> Floats:
    """Return the least and the largest value."""
    least, largest = values[0], values[0]
    for place in range(len(values)):
        least, largest = min(least, values[place]), max(largest, values[place])
    return np.array([least, largest], np.float32)


@njit(nogil=True, cache=True)
def _in_order(bits: Any) -> Any:
    """Return a whole number that ascends as the float of these bits does, and the bits of such a number."""
    return bits ^ ((bits >> np.int32(31)) & np.int32(0x7FFFFFFF))


@njit(nogil=True, cache=True)
def bar(values: Floats, least: int, most: int) -> Any:
    """Return a number that `least` … `most` of the values reach; if equal ones do not allow it, the least-th largest.

    −inf if there are fewer values than `least`. values: none is NaN.
    """
    if len(values) < least or len(values) == 0:
        return NOT_ELIGIBLE
    ends = _ends(values).view(np.int32)
    low, high = np.int64(_in_order(ends[0])), np.int64(_in_order(ends[1])) + 1
    middle = np.empty(1, np.int32)
    as_float = middle.view(np.float32)
    while high - low > 1:  # `least` values reach low, fewer reach high
        half = (low + high) >> 1
        middle[0] = _in_order(np.int32(half))
        count = _count(values, as_float[0])
        if least <= count <= most:
            return as_float[0]
        if count >= least:
            low = half
        else:
            high = half
    middle[0] = _in_order(np.int32(low))
    return as_float[0]


@njit(nogil=True, cache=True)
def best_first(items: Ints, scores: Floats, k: int) -> tuple[Ints, Floats]:
    """Return the best k of these items by score, equal scores by index, and their scores; items: ascending."""
    n = len(items)
    k = min(k, n)
    order = np.empty(n, np.int32)
    if n <= _COUNTED:
        equal = np.zeros(n, np.uint32)
        for place in range(n):
            better, score = np.uint32(0), scores[place]
            for other in range(n):
                better = np.uint32(better + np.uint32(scores[other] > score))
            order[better + equal[better]] = place
            equal[better] += np.uint32(1)
    else:
        bits, keys = scores.view(np.int32), np.empty(n, np.int64)
        for place in range(n):
            keys[place] = (np.int64(~_in_order(bits[place])) << 32) | place
        keys.sort()
        for rank in range(n):
            order[rank] = keys[rank] & 0xFFFFFFFF
    best, their = np.empty(k, np.int32), np.empty(k, np.float32)
    for rank in range(k):
        best[rank], their[rank] = items[order[rank]], scores[order[rank]]
    return best, their


@njit(nogil=True, cache=True)
def top_k(scores: Floats, k: int) -> tuple[Ints, Floats]:
    """Return the best k items (fewer if fewer qualify), best first, equal scores by index, and their scores.

    scores: (n,) float32, contiguous. Zeros and −inf do not qualify. At least k items reach what k of the maxima of
    groups reach, and few more, and only those are put in order.
    """
    n = len(scores)
    if k <= 0 or n == 0:
        return np.empty(0, np.int32), np.empty(0, np.float32)
    groups = min(n, max(_GROUPS_PER_ITEM * k, n // _LARGEST_GROUP))
    least = LOWEST
    if k < groups:
        least = max(least, bar(group_maxima(scores, groups), k, k + k // 8))
    items, size = reaching(scores, least), 0
    their = np.empty(len(items), np.float32)
    for item in items:
        items[size], their[size] = item, scores[item]
        size += scores[item] != 0.0
    items, their = items[:size], their[:size]
    if size > k:
        enough = reaching(their, bar(their, k, k))
        items, their = items[enough], their[enough]
    return best_first(items, their, k)
