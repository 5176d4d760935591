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

from service.embedding_kernels import _dot
from service.kernels import NOT_ELIGIBLE, _sort_key, group_maxima, indices, reaching
from service.nibbles import BYTES, NUMBERS, add_dots, dot_of

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Bytes = NDArray[np.uint8]

SCALE, LENGTH, COARSE_ERROR, ERROR = range(4)
"""Rows of `bounds`: what a code counts; |item|; |item − its upper four bits|; |item − its codes|."""
LARGEST = 127
COLUMNS, SHARE = 3, 1.5
"""For each item that is wanted, so many columns, of which so many help to set the bar."""
LOWEST = np.float32(np.finfo(np.float32).min)
"""What every score reaches but that of an item that is not eligible."""
ROUNDING = 2.0**-23
"""Twice what one operation on float32 may miss, relative to its result."""


class ScanCodes(NamedTuple):
    """Item vectors in 8 bits."""

    codes: Bytes
    """(2 · lines, n, 64): the upper four bits of every code, then the lower, packed as `nibbles` reads them."""
    bounds: Floats
    """(4, n): SCALE, LENGTH, COARSE_ERROR, ERROR."""


class CodedQuery(NamedTuple):
    """A query vector in 8 bits: about codes · unit."""

    codes: NDArray[np.int8]
    """(128 · lines,), padded with zeros."""
    unit: np.float32
    total: int
    """Sum of the codes."""
    length: np.float32
    """|query|, plus what its codes miss."""
    missed: np.float32
    """|query − codes · unit|, plus what float32 may miss of a score, by length of the item."""


@njit(nogil=True, cache=True)
def code_query(query: Floats, lines: int) -> CodedQuery:
    """Code a query vector for items of so many lines."""
    largest, square = np.float32(0.0), 0.0
    for value in query:
        largest = max(largest, abs(value))
        square += float(value) * float(value)
    unit = max(largest / np.float32(LARGEST), np.float32(1e-37))
    codes, total, missed = np.zeros(lines * NUMBERS, np.int8), 0, 0.0
    for j in range(len(query)):
        code = round(query[j] / unit)
        codes[j] = code
        total += code
        missed += (float(query[j]) - float(unit) * code) ** 2
    length, missed = np.sqrt(square), np.sqrt(missed)
    rounding = ROUNDING * (len(query) + 16) * length
    return CodedQuery(codes, unit, total, np.float32(length + missed), np.float32(missed + rounding))


@njit(nogil=True, cache=True)
def coarse_scores(codes: Bytes, bounds: Floats, biases: Floats, query: CodedQuery) -> Floats:
    """Return the estimate of every score by the upper four bits; biases: (n,)."""
    n, scales = codes.shape[1], bounds[SCALE]
    dots, scores = np.zeros(n, np.int32), np.empty(n, np.float32)
    for line in range(len(codes) // 2):
        add_dots(codes[line], query.codes[line * NUMBERS : (line + 1) * NUMBERS], dots)
    count, shift = np.float32(16 * query.unit), np.float32(120 * query.total * query.unit)
    for item in range(n):
        scores[item] = (count * np.float32(dots[item]) - shift) * scales[item] + biases[item]
    return scores


@njit(nogil=True, cache=True)
def _margin(item: Any, error: int, bounds: Floats, query: CodedQuery, slack: Any) -> Any:
    """Return by how much an estimate may miss an item's score; error: the row of `bounds` that belongs to it."""
    return query.length * bounds[error, item] + (query.missed * bounds[LENGTH, item] + slack)


@njit(nogil=True, cache=True)
def _reaching(estimates: Floats, bounds: Floats, query: CodedQuery, slack: Any, bar: Any) -> Ints:
    """Return the items that may have a score of `bar` or more."""
    errors, lengths, n = bounds[COARSE_ERROR], bounds[LENGTH], len(estimates)
    length, missed = np.float32(query.length), np.float32(query.missed)  # in float64 the loop takes twice as long
    least = np.float32(max(bar - slack, LOWEST))
    reaches = np.empty(-(-n // 8) * 8, np.bool_)
    reaches[n:] = False
    for item in range(n):
        reaches[item] = estimates[item] + (length * errors[item] + missed * lengths[item]) >= least
    return indices(reaches)


@njit(nogil=True, cache=True)
def _best_estimates(estimates: Floats, k: int) -> Ints:
    """Return some items with the best estimates, about 2 k; all that are eligible if there are not many more.

    The best of a column stands for all in it, so that few numbers need sorting.
    """
    n, columns, wanted, least = len(estimates), COLUMNS * k, int(SHARE * k), LOWEST
    if columns < n:
        maxima = group_maxima(estimates, columns)
        least = max(least, np.partition(maxima, columns - wanted)[columns - wanted])
    return reaching(estimates, least)


@njit(nogil=True, cache=True)
def _finer(items: Ints, codes: Bytes, bounds: Floats, estimates: Floats, query: CodedQuery) -> Floats:
    """Return the estimates of some items by all eight bits."""
    packed, step, finer = codes.reshape(codes.size), codes[0].size, np.empty(len(items), np.float32)
    lower, shift = len(codes) // 2 * step, 7.5 * query.total
    for place in range(len(items)):
        item = items[place]
        rest = (dot_of(packed, lower + item * BYTES, step, query.codes) - shift) * (query.unit * bounds[SCALE, item])
        finer[place] = estimates[item] + rest
    return finer


@njit(nogil=True, cache=True)
def _bar(items: Ints, finer: Floats, bounds: Floats, query: CodedQuery, slack: Any, k: int) -> Any:
    """Return a score that at least k of these items reach, −inf if they are fewer."""
    if len(items) < k:
        return NOT_ELIGIBLE
    sure = np.empty(len(items), np.float32)
    for place in range(len(items)):
        sure[place] = finer[place] - _margin(items[place], ERROR, bounds, query, slack)
    return np.partition(sure, len(sure) - k)[len(sure) - k]


@njit(nogil=True, cache=True)
def best_items(
    codes: ScanCodes,
    vectors: Floats,
    biases: Floats,
    slack: Any,
    query: Floats,
    coded: CodedQuery,
    estimates: Floats,
    k: int,
) -> tuple[Ints, Floats]:
    """Return the best k items by score and index, and their scores: those of `embedding_kernels.score_items`.

    estimates: what `coarse_scores` returned, −inf where an item may not be returned. Fewer than k where the
    list ends, and where an item without a say (a score of 0) helped to set the bar: then only a scan of all
    vectors tells what comes below it.
    """
    packed, bounds = codes
    first = _best_estimates(estimates, k)
    bar = _bar(first, _finer(first, packed, bounds, estimates, coded), bounds, coded, slack, k)
    items = _reaching(estimates, bounds, coded, slack, bar)
    finer = _finer(items, packed, bounds, estimates, coded)
    bar = _bar(items, finer, bounds, coded, slack, k)
    keys, scores, size = np.empty(len(items), np.int64), np.empty(1, np.float32), 0
    bits = scores.view(np.int32)
    for place in range(len(items)):
        item = items[place]
        if finer[place] + _margin(item, ERROR, bounds, coded, slack) >= bar:
            scores[0] = _dot(vectors[item], query) + biases[item]
            if scores[0] >= bar and scores[0] != 0.0:
                keys[size] = _sort_key(bits[0], item)
                size += 1
    keys = keys[:size]
    keys.sort()
    return _unpacked(keys[:k])


@njit(nogil=True, cache=True)
def _unpacked(keys: NDArray[np.int64]) -> tuple[Ints, Floats]:
    """Return the items and scores of sorted keys."""
    items, bits = np.empty(len(keys), np.int32), np.empty(len(keys), np.int32)
    for place in range(len(keys)):
        items[place] = keys[place] & 0x7FFFFFFF
        descending = np.int32(~(keys[place] >> 32))
        bits[place] = descending ^ ((descending >> 31) & 0x7FFFFFFF)
    return items, bits.view(np.float32)
