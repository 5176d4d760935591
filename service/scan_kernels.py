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
from service.kernels import NOT_ELIGIBLE, _sort_key, group_maxima, reaching
from service.marks import indices, marks
from service.nibbles import BYTES, LANES, NUMBERS, block_dots, dot_of
from service.prefetch import prefetch

SCALE, LENGTH, COARSE_ERROR, ERROR = range(4)
"""Rows of `bounds`: what a code counts; |item|; |item − its upper four bits|; |item − its codes|."""
LARGEST = 127
COLUMNS, SHARE = 3, 1.5
"""For each item that is wanted, so many columns, of which so many help to set the bar."""
LOWEST = np.float32(np.finfo(np.float32).min)
"""What every score reaches but that of an item that is not eligible."""
ROUNDING = 2.0**-23
"""Twice what one operation on float32 may miss, relative to its result."""
_EIGHT = 8
"""Items whose best estimate is kept: most of them never get a look of their own."""
_ITEMS_AHEAD = 8
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
    """Of all scores, by the upper four bits."""

    scores: Floats
    """(n,)."""
    best: Floats
    """(⌈n / 8⌉,): the best of each eight."""


@njit(nogil=True, cache=True)
def estimate(upper: Bytes, bounds: Floats, biases: Floats, query: CodedQuery, excluded: Ints) -> Estimates:
    """Return the estimate of every score, −inf of excluded items; biases: (n,)."""
    n, steps, scales, packed = len(biases), upper.shape[1] // 2, bounds[SCALE], upper.reshape(upper.size)
    dots, scores = np.empty(len(upper) * LANES, np.int32), np.empty(n, np.float32)
    for block in range(len(upper)):
        block_dots(packed, block * steps * 2 * BYTES, steps, query.codes, dots, block * LANES)  # type: ignore[call-arg]
    count, shift = np.float32(16 * query.unit), np.float32(120 * query.total * query.unit)
    for item in range(n):
        scores[item] = (count * np.float32(dots[item]) - shift) * scales[item] + biases[item]
    scores[excluded] = NOT_ELIGIBLE
    best = np.full(-(-n // _EIGHT), NOT_ELIGIBLE, np.float32)
    for eight in range(n // _EIGHT):
        for item in range(_EIGHT * eight, _EIGHT * eight + _EIGHT):
            best[eight] = max(best[eight], scores[item])
    for item in range(n // _EIGHT * _EIGHT, n):
        best[-1] = max(best[-1], scores[item])
    return Estimates(scores, best)


@njit(nogil=True, cache=True)
def _margin(item: Any, error: int, bounds: Floats, query: CodedQuery, slack: Any) -> Any:
    """Return by how much an estimate may miss an item's score; error: the row of `bounds` that belongs to it."""
    return query.length * bounds[error, item] + (query.missed * bounds[LENGTH, item] + slack)


@njit(nogil=True, cache=True)
def _reaching(scores: Floats, bounds: Floats, query: CodedQuery, slack: Any, bar: Any) -> Ints:
    """Return the items that may have a score of `bar` or more."""
    length, missed = np.float32(query.length), np.float32(query.missed)  # in float64 the loop takes twice as long
    least = np.float32(max(bar - slack, LOWEST))
    errors, lengths, reaches = bounds[COARSE_ERROR], bounds[LENGTH], marks(len(scores))
    for item in range(len(scores)):
        reaches[item] = scores[item] + (length * errors[item] + missed * lengths[item]) >= least
    return indices(reaches)


@njit(nogil=True, cache=True)
def _best_estimates(estimates: Estimates, k: int) -> Ints:
    """Return some items with the best estimates, about 2 k; all that are eligible if there are not many more.

    The best of a column stands for all in it, so that few numbers need sorting.
    """
    scores, best = estimates
    columns, wanted, least = COLUMNS * k, int(SHARE * k), LOWEST
    if columns < len(scores):
        maxima = group_maxima(best if columns < len(best) else scores, columns)
        least = max(least, np.partition(maxima, columns - wanted)[columns - wanted])
    if columns >= len(best):
        return reaching(scores, least)
    eights = reaching(best, least)
    reaches = marks(_EIGHT * len(eights))
    for place in range(len(eights)):
        for item in range(_EIGHT):
            score = scores[min(_EIGHT * eights[place] + item, len(scores) - 1)]
            reaches[_EIGHT * place + item] = score >= least and _EIGHT * eights[place] + item < len(scores)
    found = indices(reaches)
    for place in range(len(found)):
        found[place] = _EIGHT * eights[found[place] // _EIGHT] + found[place] % _EIGHT
    return found


@njit(nogil=True, cache=True)
def _finer(items: Ints, lower: Bytes, bounds: Floats, scores: Floats, query: CodedQuery) -> Floats:
    """Return the estimates of some items by all eight bits; scores: those by four."""
    row, packed, finer = lower.shape[1], lower.reshape(lower.size), np.empty(len(items), np.float32)
    shift = 7.5 * query.total
    for place in range(len(items)):
        if place + _ITEMS_AHEAD < len(items):
            for line in range(0, row, BYTES):
                prefetch(packed, np.int64(items[place + _ITEMS_AHEAD]) * row + line)
        item = items[place]
        rest = (dot_of(packed, np.int64(item) * row, query.codes) - shift) * (query.unit * bounds[SCALE, item])
        finer[place] = scores[item] + rest
    return finer


@njit(nogil=True, cache=True)
def _bar(items: Ints, finer: Floats, bounds: Floats, query: CodedQuery, slack: Any, k: int, least: Any) -> Any:
    """Return a score that at least k of these items reach, −inf if they are fewer; least: one that k reach for sure."""
    sure, size = np.empty(len(items), np.float32), 0
    for place in range(len(items)):
        sure[size] = finer[place] - _margin(items[place], ERROR, bounds, query, slack)
        size += sure[size] >= least
    return np.partition(sure[:size], size - k)[size - k] if size >= k else NOT_ELIGIBLE


@njit(nogil=True, cache=True)
def best_items(
    codes: ScanCodes,
    vectors: Floats,
    biases: Floats,
    slack: Any,
    query: Floats,
    coded: CodedQuery,
    estimates: Estimates,
    k: int,
) -> tuple[Ints, Floats]:
    """Return the best k items by score and index, and their scores: those of `embedding_kernels.score_items`.

    Fewer than k where the list ends, and where an item without a say (a score of 0) helped to set the bar: then only
    a scan of all vectors tells what comes below it.
    """
    _, lower, bounds = codes
    first = _best_estimates(estimates, k)
    bar = _bar(first, _finer(first, lower, bounds, estimates.scores, coded), bounds, coded, slack, k, LOWEST)
    items = _reaching(estimates.scores, bounds, coded, slack, bar)
    finer = _finer(items, lower, bounds, estimates.scores, coded)
    bar = _bar(items, finer, bounds, coded, slack, k, max(bar, LOWEST))
    near = marks(len(items))
    for place in range(len(items)):
        near[place] = finer[place] + _margin(items[place], ERROR, bounds, coded, slack) >= bar
    items = items[indices(near)]
    scores = score_some(items, vectors, biases, query)
    keys, size, bits = np.empty(len(items), np.int64), 0, scores.view(np.int32)
    for place in range(len(items)):
        keys[size] = _sort_key(bits[place], items[place])
        size += scores[place] >= bar and scores[place] != 0.0
    keys = keys[:size]
    keys.sort()
    return _unpacked(keys[:k])


@njit(nogil=True, cache=True)
def first_items(
    codes: ScanCodes, vectors: Floats, biases: Floats, slack: Any, query: Floats, excluded: Ints, k: int
) -> tuple[Ints, Floats, CodedQuery, Estimates]:
    """Return `best_items` of a query, and what it takes to find more: one call, since each costs microseconds."""
    coded = code_query(query)
    estimates = estimate(codes.upper, codes.bounds, biases, coded, excluded)
    items, scores = best_items(codes, vectors, biases, slack, query, coded, estimates, k)
    return items, scores, coded, estimates


@njit(nogil=True, cache=True)
def _unpacked(keys: NDArray[np.int64]) -> tuple[Ints, Floats]:
    """Return the items and scores of sorted keys."""
    items, bits = np.empty(len(keys), np.int32), np.empty(len(keys), np.int32)
    for place in range(len(keys)):
        items[place] = keys[place] & 0x7FFFFFFF
        descending = np.int32(~(keys[place] >> 32))
        bits[place] = descending ^ ((descending >> 31) & 0x7FFFFFFF)
    return items, bits.view(np.float32)
