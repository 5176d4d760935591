"""The exact best items of an embedding without reading most of it: serial, nogil, compiled once and cached.

Every item vector is also kept as 8-bit codes: code c of an item stands for (c − 127.5) · scale. The upper four
bits of all codes are read first (an eighth of the bytes of float32), the lower four only of items that may still
be among the best, and the vectors themselves of what is left. Whatever is given up cannot be among the best: by
Cauchy and Schwarz, an estimate misses the score by no more than

    |query − its codes| · |item's codes| + |query| · |item − its codes|,

and all these lengths are known. So the result is that of the scan of all vectors, bit for bit.
"""

from typing import Any

import numpy as np
from numba import njit

from service.array_types import Bytes, Floats, Ints
from service.embedding_kernels import score_some
from service.nibbles import BYTES, TOGETHER, dot_of
from service.prefetch import prefetch
from service.reaching import reaching
from service.scan_estimates import (
    COARSE_ERROR,
    ERROR,
    LENGTH,
    SCALE,
    STACK,
    CodedQuery,
    Estimates,
    code_query,
    estimate,
    estimate_some,
    parts_of,
)
from service.top_kernels import LOWEST, bar, best_first

FIRST = 1.5
"""For each item that is wanted, so many are looked at to set the bar."""
_ITEMS_AHEAD = 24
"""How early an item's codes are asked for."""


@njit(nogil=True, cache=True)
def _best_estimates(estimates: Estimates, k: int) -> Ints:
    """Return some items with the best estimates, about FIRST · k; all that are eligible if there are not many more."""
    scores, best = estimates
    wanted, m = int(FIRST * k) + 1, len(best)
    if 2 * wanted >= m:
        return reaching(scores, max(bar(scores, wanted, wanted + k), LOWEST))
    least = max(bar(best, wanted, wanted + k // 4), LOWEST)
    stacks = reaching(best, least)
    found, size = np.empty(STACK * len(stacks), np.int32), 0
    for stack in stacks:
        for item in range(stack, len(scores), m):
            found[size] = item
            size += scores[item] >= least
    return found[:size]


@njit(nogil=True, cache=True)
def _reaching(scores: Floats, bounds: Floats, query: CodedQuery, slack: Any, least: Any) -> Ints:
    """Return the items that may have a score of `least` or more."""
    length, missed = np.float32(query.length), np.float32(query.missed)  # in float64 the loop takes twice as long
    errors, lengths, most = bounds[COARSE_ERROR], bounds[LENGTH], np.empty(len(scores), np.float32)
    for item in range(len(scores)):
        most[item] = scores[item] + (length * errors[item] + missed * lengths[item])
    return reaching(most, max(least - slack, LOWEST))


@njit(nogil=True, cache=True)
def _finer(
    items: Ints, lower: Bytes, bounds: Floats, scores: Floats, query: CodedQuery, slack: Any
) -> tuple[Floats, Floats]:
    """Return what some items' scores are at least and at most, by all eight bits; scores: estimates by four."""
    row, packed = lower.shape[1], lower.reshape(lower.size)
    least, most, shift = np.empty(len(items), np.float32), np.empty(len(items), np.float32), 7.5 * query.total
    for place in range(len(items)):
        if place + _ITEMS_AHEAD < len(items):
            later = np.int64(items[place + _ITEMS_AHEAD])
            for line in range(0, row, BYTES):
                prefetch(packed, later * row + line)
            prefetch(scores, later)
        item = items[place]
        rest = (dot_of(packed, np.int64(item) * row, query.codes) - shift) * (query.unit * bounds[SCALE, item])
        finer = np.float32(scores[item] + rest)
        margin = query.length * bounds[ERROR, item] + (query.missed * bounds[LENGTH, item] + slack)
        least[place], most[place] = finer - margin, finer + margin
    return least, most


@njit(nogil=True, cache=True)
def _best_of_estimated(
    joined: Floats,
    lower: Bytes,
    bounds: Floats,
    vectors: Floats,
    biases: Floats,
    slack: Any,
    query: Floats,
    coded: CodedQuery,
    k: int,
) -> tuple[Ints, Floats]:
    """Return the best k items by score and index, and their scores; see `best_items`."""
    estimates = parts_of(joined, len(biases))
    first = _best_estimates(estimates, k)
    least, _ = _finer(first, lower, bounds, estimates.scores, coded, slack)
    items = _reaching(estimates.scores, bounds, coded, slack, bar(least, k, k))
    least, most = _finer(items, lower, bounds, estimates.scores, coded, slack)
    reached = max(bar(least, k, k), LOWEST)
    items = items[reaching(most, reached)]
    scores, size = score_some(items, vectors, biases, query), 0
    for place in range(len(items)):
        items[size], scores[size] = items[place], scores[place]
        size += scores[place] >= reached and scores[place] != 0.0
    return best_first(items[:size], scores[:size], k)


@njit(nogil=True, cache=True)
def best_items(
    upper: Bytes,
    lower: Bytes,
    bounds: Floats,
    vectors: Floats,
    biases: Floats,
    slack: Any,
    query: Floats,
    excluded: Ints,
    joined: Floats,
    k: int,
) -> tuple[Ints, Floats, Floats]:
    """Return the best k items by score and index, their scores, those of `score_items`, and the query's `estimate`.

    upper, lower, bounds: ScanCodes, apart, since a call from Python that takes or returns a named tuple costs several
    microseconds; joined: the query's `estimate` if it is known, else empty. Fewer than k items where the list ends, and
    where an item without a say (a score of 0) helped to set the bar: then only a scan of all vectors tells what comes
    below it.
    """
    coded = code_query(query)
    if len(joined) == 0:
        joined = estimate(upper, bounds, biases, coded, excluded)
    best, their = _best_of_estimated(joined, lower, bounds, vectors, biases, slack, query, coded, k)
    return best, their, joined


@njit(nogil=True, cache=True)
def best_items_of_each(
    upper: Bytes,
    lower: Bytes,
    bounds: Floats,
    vectors: Floats,
    biases: Floats,
    slack: Any,
    queries: Floats,
    excluded: Ints,
    starts: Ints,
    k: int,
) -> tuple[Ints, Floats, Ints]:
    """Return `best_items` of several queries (b, dim): items (b, k), scores (b, k), and how many there are (b,).

    starts (b + 1,): excluded[starts[q] : starts[q + 1]] are those of query q. The codes are read once for four queries.
    """
    n, last, unknown = len(queries), len(queries) - 1, np.empty(0, np.float32)
    items, scores, sizes = np.zeros((n, k), np.int32), np.zeros((n, k), np.float32), np.zeros(n, np.int32)
    for first in range(0, last, TOGETHER):
        a, b, c, d = first, first + 1, min(first + 2, last), min(first + 3, last)  # the last may come again
        coded = code_query(queries[a]), code_query(queries[b]), code_query(queries[c]), code_query(queries[d])
        own = (
            excluded[starts[a] : starts[a + 1]],
            excluded[starts[b] : starts[b + 1]],
            excluded[starts[c] : starts[c + 1]],
            excluded[starts[d] : starts[d + 1]],
        )
        joined = estimate_some(upper, bounds, biases, coded, own)
        for q in range(first, min(first + TOGETHER, n)):
            best, their = _best_of_estimated(
                joined[q - first], lower, bounds, vectors, biases, slack, queries[q], coded[q - first], k
            )
            sizes[q] = len(best)
            items[q, : len(best)], scores[q, : len(best)] = best, their
    if n % TOGETHER == 1:
        best, their, _ = best_items(
            upper, lower, bounds, vectors, biases, slack, queries[last], excluded[starts[last] :], unknown, k
        )
        sizes[last] = len(best)
        items[last, : len(best)], scores[last, : len(best)] = best, their
    return items, scores, sizes
