"""The exact best items of an embedding without reading most of it: serial, nogil, compiled once and cached.

Every item vector is also kept as 8-bit codes: code c of an item stands for (c − 127.5) · scale. The upper four
bits of all codes are read first (an eighth of the bytes of float32), the lower four only of items that may still
be among the best, and the vectors themselves of what is left. Whatever is given up cannot be among the best: by
Cauchy and Schwarz, an estimate misses the score by no more than

    |query − its codes| · |item's codes| + |query| · |item − its codes|,

and all these lengths are known. So the result is that of the scan of all vectors, bit for bit.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from service.array_types import Bytes, Floats, Ints
from service.embedding_kernels import score_some
from service.nibbles import BYTES, LANES, NUMBERS, block_dots, dot_of
from service.prefetch import prefetch
from service.reaching import reaching
from service.top_kernels import LOWEST, NOT_ELIGIBLE, bar, best_first

SCALE, LENGTH, COARSE_ERROR, ERROR = range(4)
"""Rows of `bounds`: what a code counts; |item|; |item − its upper four bits|; |item − its codes|."""
LARGEST = 127
FIRST = 1.5
"""For each item that is wanted, so many are looked at to set the bar."""
ROUNDING = 2.0**-23
"""Twice what one operation on float32 may miss, relative to its result."""
_STACK = 8
"""Items whose best estimate is kept: most of them never get a look of their own."""
_DOTS = 1024
"""Items whose dot products wait, in the first cache, to be made estimates: together, which takes less."""
_ITEMS_AHEAD = 24
"""How early an item's codes are asked for."""


class ScanCodes(NamedTuple):
    """Item vectors in 8 bits."""

    upper: Bytes
    """(⌈n / 16⌉, 2 · ⌈dim / 16⌉, 64): the upper four bits of every code, as `nibbles.block_dots` reads them."""
    lower: Bytes
    """(n, 64 · ⌈dim / 128⌉): the lower four bits, as `nibbles.dot_of` reads them."""
    bounds: Floats
    """(4, n): SCALE, LENGTH, COARSE_ERROR, ERROR."""


class CodedQuery(NamedTuple):
    """A query vector in 8 bits: about codes · unit."""

    codes: NDArray[np.int8]
    """(128 · ⌈dim / 128⌉,), padded with zeros."""
    unit: np.float32
    total: int
    """Sum of the codes."""
    length: np.float32
    """|query|, plus what its codes miss."""
    missed: np.float32
    """|query − codes · unit|, plus what float32 may miss of a score, by length of the item."""


@njit(nogil=True, cache=True)
def code_query(query: Floats) -> CodedQuery:
    """Code a query vector."""
    largest, square = np.float32(0.0), 0.0
    for value in query:
        largest = max(largest, abs(value))
        square += float(value) * float(value)
    unit = max(largest / np.float32(LARGEST), np.float32(1e-37))
    codes, total, missed = np.zeros(-(-len(query) // NUMBERS) * NUMBERS, np.int8), 0, 0.0
    for j in range(len(query)):
        code = round(query[j] / unit)
        codes[j] = code
        total += code
        missed += (float(query[j]) - float(unit) * code) ** 2
    length, missed = np.sqrt(square), np.sqrt(missed)
    rounding = ROUNDING * (len(query) + 16) * length
    return CodedQuery(codes, unit, total, np.float32(length + missed), np.float32(missed + rounding))


class Estimates(NamedTuple):
    """Of all scores, by the upper four bits: parts of one array."""

    scores: Floats
    """(n,)."""
    best: Floats
    """(m,), m = ⌈n / 8⌉: the best of the items place, place + m, place + 2 m, …: one instruction takes many."""


@njit(nogil=True, cache=True)
def estimate(upper: Bytes, bounds: Floats, biases: Floats, query: CodedQuery, excluded: Ints) -> Floats:
    """Return Estimates, joined: of every score, −inf of excluded items; biases: (n,)."""
    n, steps, scales, packed = len(biases), upper.shape[1] // 2, bounds[SCALE], upper.reshape(upper.size)
    dots, joined = np.empty(_DOTS, np.int32), np.empty(n + -(-n // _STACK), np.float32)
    scores, best = parts_of(joined, n)
    count, shift = np.float32(16 * query.unit), np.float32(120 * query.total * query.unit)
    for first in range(0, n, _DOTS):
        own, scale, bias = scores[first : first + _DOTS], scales[first : first + _DOTS], biases[first : first + _DOTS]
        for lane in range(0, len(own), LANES):
            at = (first + lane) // LANES * steps * 2 * BYTES
            block_dots(packed, at, steps, query.codes, dots, lane)  # type: ignore[call-arg]
        for lane in range(len(own)):
            own[lane] = (count * np.float32(dots[lane]) - shift) * scale[lane] + bias[lane]
    scores[excluded] = NOT_ELIGIBLE
    _stack(scores, best)
    return joined


@njit(nogil=True, cache=True)
def parts_of(joined: Floats, n: int) -> Estimates:
    """Return the parts of `estimate` for n items."""
    return Estimates(joined[:n], joined[n:])


@njit(nogil=True, cache=True, fastmath={"nnan", "nsz"})
def _stack(scores: Floats, best: Floats) -> None:
    """Write the best of each stack."""
    best[:] = scores[: len(best)]
    for first in range(len(best), len(scores), len(best)):
        part = scores[first : first + len(best)]
        for place in range(len(part)):
            best[place] = max(best[place], part[place])


@njit(nogil=True, cache=True)
def _best_estimates(estimates: Estimates, k: int) -> Ints:
    """Return some items with the best estimates, about FIRST · k; all that are eligible if there are not many more."""
    scores, best = estimates
    wanted, m = int(FIRST * k) + 1, len(best)
    if 2 * wanted >= m:
        return reaching(scores, max(bar(scores, wanted, wanted + k), LOWEST))
    least = max(bar(best, wanted, wanted + k // 4), LOWEST)
    stacks = reaching(best, least)
    found, size = np.empty(_STACK * len(stacks), np.int32), 0
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
    best, their = best_first(items[:size], scores[:size], k)
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

    starts (b + 1,): excluded[starts[q] : starts[q + 1]] are those of query q.
    """
    items, scores = np.zeros((len(queries), k), np.int32), np.zeros((len(queries), k), np.float32)
    sizes, unknown = np.zeros(len(queries), np.int32), np.empty(0, np.float32)
    for q in range(len(queries)):
        own = excluded[starts[q] : starts[q + 1]]
        best, their, _ = best_items(upper, lower, bounds, vectors, biases, slack, queries[q], own, unknown, k)
        sizes[q] = len(best)
        items[q, : len(best)], scores[q, : len(best)] = best, their
    return items, scores, sizes
