"""The exact best items of an embedding without reading most of it: serial, nogil, compiled once and cached.

Every item vector is also kept as 8-bit codes: code c of an item stands for (c − 127.5) · scale. The upper four
bits of all codes are read first (an eighth of the bytes of float32), the lower four only of items that may still
be among the best, and the vectors themselves of what is left. By Cauchy and Schwarz, an estimate misses the score by
no more than

    |query − its codes| · |item's codes| + |query| · |item − its codes|,

and all these lengths are known: what is given up cannot be among the best, and the result is that of the scan of all
vectors, bit for bit. For the queries of a model that is so but for odds of one in hundreds of millions with a fraction
of these lengths, which is what a fit writes (`training/scan_codes.py`).
"""

from typing import Any

import numpy as np
from numba import njit

from service.array_types import Bytes, Floats, Ints
from service.embedding_kernels import score_some
from service.nibbles import BYTES, MANY, dot_of
from service.prefetch import prefetch
from service.reaching import LANES, put_reaching, reaching
from service.scan_estimates import (
    COARSE_ERROR,
    ERROR,
    LENGTH,
    SCALE,
    STACK,
    CodedQuery,
    Estimates,
    code_queries,
    estimate,
    finish,
    one_of,
    parts_of,
)
from service.top_kernels import LOWEST, NOT_ELIGIBLE, bar, best_first

FIRST = 1.5
"""For each item that is wanted, so many are looked at to set the bar."""
_ITEMS_AHEAD = 24
"""How early an item's codes are asked for."""
_BLOCK = 1024
"""Items whose bounds wait, in the first cache, to be compared."""


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
    errors, lengths, n, least = bounds[COARSE_ERROR], bounds[LENGTH], len(scores), max(least - slack, LOWEST)
    found, size, most = np.empty(n + LANES, np.int32), 0, np.empty(_BLOCK, np.float32)
    for first in range(0, n, _BLOCK):
        stop = min(first + _BLOCK, n)
        their, own, part = scores[first:stop], errors[first:stop], most[: stop - first]
        at_most = lengths[first:stop]
        for place in range(len(part)):
            part[place] = their[place] + (length * own[place] + missed * at_most[place])
        size = put_reaching(part, first, least, found, size)
    return found[:size]


@njit(nogil=True, cache=True)
def _finer(
    items: Ints, lower: Bytes, bounds: Floats, scores: Floats, query: CodedQuery, slack: Any
) -> tuple[Floats, Floats]:
    """Return what some items' scores are at least and at most, by all eight bits; scores: estimates by four."""
    row, packed, n = lower.shape[1], lower.reshape(lower.size), len(items)
    dots, least, most = np.empty(n, np.int32), np.empty(n, np.float32), np.empty(n, np.float32)
    for place in range(n):
        if place + _ITEMS_AHEAD < n:
            later = np.int64(items[place + _ITEMS_AHEAD])
            for line in range(0, row, BYTES):
                prefetch(packed, later * row + line)
            prefetch(scores, later)
        dots[place] = dot_of(packed, np.int64(items[place]) * row, query.codes)
    # apart from the sums, and in float32, all of this is done for many items by one instruction
    unit, shift = np.float32(query.unit), np.float32(7.5 * query.total)
    length, missed, slack = np.float32(query.length), np.float32(query.missed), np.float32(slack)
    scales, errors, lengths = bounds[SCALE], bounds[ERROR], bounds[LENGTH]
    for place in range(n):
        item = np.uint64(items[place])
        finer = scores[item] + (np.float32(dots[place]) - shift) * (unit * scales[item])
        margin = length * errors[item] + (missed * lengths[item] + slack)
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
    among = reaching(most, reached)
    items, scores = _scored(items[among], least[among], most[among], reached, vectors, biases, query, k)
    return best_first(items, scores, k)


@njit(nogil=True, cache=True)
def _scored(
    items: Ints, least: Floats, most: Floats, reached: Any, vectors: Floats, biases: Floats, query: Floats, k: int
) -> tuple[Ints, Floats]:
    """Return those items that may be among the best k, and their scores, without items that have no say.

    least, most: what the score of each may be; k of the items have a score of `reached` or more. First come those that
    have it surely: the bar that their scores set is higher, and most of the others do not reach it.
    """
    scores, sure = np.full(len(items), NOT_ELIGIBLE, np.float32), reaching(least, reached)
    scores[sure] = score_some(items[sure], vectors, biases, query)
    reached = max(bar(scores[sure], k, k), reached)
    most[sure] = NOT_ELIGIBLE
    others = reaching(most, reached)
    scores[others] = score_some(items[others], vectors, biases, query)
    size = 0
    for place in range(len(items)):
        items[size], scores[size] = items[place], scores[place]
        size += scores[place] >= reached and scores[place] != 0.0
    return items[:size], scores[:size]


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
    coded = code_queries(query.reshape(1, -1))
    if len(joined) == 0:
        joined = estimate(upper, bounds, biases, coded, 0, 1)[0]
        finish(joined, len(biases), excluded)
    best, their = _best_of_estimated(joined, lower, bounds, vectors, biases, slack, query, one_of(coded, 0), k)
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

    starts (b + 1,): excluded[starts[q] : starts[q + 1]] are those of query q. The codes are read once for MANY queries.
    A query of zeros says nothing and gets nothing: by the codes all items would be alike, and none could be ruled out.
    """
    n, coded = len(queries), code_queries(queries)
    items, scores, sizes = np.zeros((n, k), np.int32), np.zeros((n, k), np.float32), np.zeros(n, np.int32)
    for first in range(0, n, MANY):
        joined = estimate(upper, bounds, biases, coded, first, min(MANY, n - first))
        for q in range(first, first + len(joined)):
            if coded.lengths[q] == 0.0:
                continue
            own, query = joined[q - first], one_of(coded, q)
            finish(own, len(biases), excluded[starts[q] : starts[q + 1]])
            best, their = _best_of_estimated(own, lower, bounds, vectors, biases, slack, queries[q], query, k)
            sizes[q] = len(best)
            items[q, : len(best)], scores[q, : len(best)] = best, their
    return items, scores, sizes
