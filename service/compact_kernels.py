"""history @ W for W in a compact form: serial, nogil, compiled once and cached.

W ≈ the few largest weights of every row, exactly, in compressed rows, + the rest of a row on those columns
that matter most, as 4-bit codes times a scale of the row. Four codes share a 16-bit word, so that a row is read
in an eighth of the bytes of float32 and is summed in 16-bit integers, many at a time.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from service.kernels import Columns, score_history_sparse

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Codes = NDArray[np.uint16]

CODES_PER_WORD = 4
ZERO = 7
"""The code of weight 0; codes are 0 … 14."""
_MASK = np.uint16(15)
_UNITS, _TOGETHER, _BEFORE_FLUSH = 255, 4, 16
"""A row's factor is 0 … 255 units: 16 rows of codes up to 14 fit in 16 bits (16 · 255 · 15 < 65,536)."""


class CompactWeights(NamedTuple):
    """W (n, n): weights[i, j] = largest[i, j] + (code[i, h] − ZERO) · scales[i], where columns[h] = j."""

    indptr: NDArray[np.int64]
    largest_columns: Columns
    largest: Floats
    columns: Ints
    """(m,) distinct, ascending."""
    codes: Codes
    """(n, q) with q = ⌈m / 4⌉: the code of column place · q + word is nibble `place` of codes[i, word]. ZERO where
    `largest` has the weight."""
    scales: Floats
    """(n,) not negative."""


@njit(nogil=True, cache=True)
def _four(a: Any, b: Any, c: Any, d: Any, factors: Any) -> Any:
    """Return the sum of the lowest codes of four words, each times its factor."""
    first = np.uint16((a & _MASK) * factors[0]) + np.uint16((b & _MASK) * factors[1])
    return np.uint16(first + np.uint16((c & _MASK) * factors[2]) + np.uint16((d & _MASK) * factors[3]))


@njit(nogil=True, cache=True)
def _add_rows(sums: tuple[Codes, ...], a: Codes, b: Codes, c: Codes, d: Codes, factors: Any) -> None:
    """Add four rows of words, each times its factor, to the sums of their four places."""
    first, second, third, fourth = sums
    for word in range(len(a)):
        w, x, y, z = a[word], b[word], c[word], d[word]
        first[word] = np.uint16(first[word] + _four(w, x, y, z, factors))
        second[word] = np.uint16(second[word] + _four(w >> 4, x >> 4, y >> 4, z >> 4, factors))
        third[word] = np.uint16(third[word] + _four(w >> 8, x >> 8, y >> 8, z >> 8, factors))
        fourth[word] = np.uint16(fourth[word] + _four(w >> 12, x >> 12, y >> 12, z >> 12, factors))


@njit(nogil=True, cache=True)
def _factors(scales: Floats, items: Ints, weights: Floats) -> tuple[Codes, Any]:
    """Return weight · scale of every row in units of a 255th of the largest, 0 for rows that pad, and the unit."""
    exact = np.zeros(-(-len(items) // _TOGETHER) * _TOGETHER, np.float32)
    for position in range(len(items)):
        exact[position] = weights[position] * scales[items[position]]
    unit = exact.max() / np.float32(_UNITS)
    if not unit > 0:
        return np.zeros(len(exact), np.uint16), np.float32(0)
    return (exact / unit + np.float32(0.5)).astype(np.uint16), unit


@njit(nogil=True, cache=True)
def _sum_codes(codes: Codes, factors: Codes, items: Ints) -> Floats:
    """Return the sums of codes · factor over the rows `items`, (4, q); in short integers, emptied into floats."""
    n_words, last = codes.shape[1], len(items) - 1
    totals, short = np.zeros((CODES_PER_WORD, n_words), np.float32), np.zeros((CODES_PER_WORD, n_words), np.uint16)
    sums = (short[0], short[1], short[2], short[3])
    for start in range(0, len(factors), _TOGETHER):
        a, b = codes[items[start]], codes[items[min(start + 1, last)]]
        c, d = codes[items[min(start + 2, last)]], codes[items[min(start + 3, last)]]
        _add_rows(sums, a, b, c, d, (factors[start], factors[start + 1], factors[start + 2], factors[start + 3]))
        if start % _BEFORE_FLUSH == _BEFORE_FLUSH - _TOGETHER or start + _TOGETHER == len(factors):
            for place in range(CODES_PER_WORD):
                for word in range(n_words):
                    totals[place, word] += np.float32(short[place, word])
                    short[place, word] = 0
    return totals


@njit(nogil=True, cache=True)
def score_history_compact(W: CompactWeights, items: Ints, weights: Floats) -> Floats:
    """Return x @ W for the sparse row vector x of the history, its weights not negative; (n,).

    A factor is rounded to a 255th of the largest of the history: far less than a weight is by its code.
    """
    scores = score_history_sparse(W.indptr, W.largest_columns, W.largest, len(W.scales), items, weights)
    if len(items) == 0:
        return scores
    factors, unit = _factors(W.scales, items, weights)
    totals = _sum_codes(W.codes, factors, items).ravel()
    nothing = np.float32(ZERO * factors.astype(np.int64).sum())
    for h in range(len(W.columns)):
        scores[np.uint64(W.columns[h])] += unit * (totals[h] - nothing)
    return scores


def warm_up() -> None:
    """Compile for arrays mapped from disk."""
    items, weights = np.zeros(1, np.int32), np.ones(1, np.float32)
    indptr, codes = np.array([0, 1], np.int64), np.full((1, 1), ZERO, np.uint16)
    for kind in (np.uint16, np.int32):
        arrays: tuple[Any, ...] = (indptr, items.astype(kind), weights.copy(), items.copy(), codes, weights.copy())
        for array in arrays:
            array.flags.writeable = False
        score_history_compact(CompactWeights(*arrays), items, weights)
