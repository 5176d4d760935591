"""history @ W for W in a compact form: serial, nogil, compiled once and cached.

W ≈ the few largest weights of every row, exactly, in compressed rows, + the rest of a row on those columns
that matter most, as 4-bit codes times a scale of the row: a row is read in an eighth of the bytes of float32, and
what is read is summed by `nibbles.add_rows` in whole numbers, several rows at a time.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from service.array_types import Bytes, Floats, Ints, Longs
from service.kernels import Columns, score_history_sparse
from service.marked import Marks, add_to_marked, marks_of, places_of
from service.nibbles import BYTES, ROWS, add_rows

ZERO = 7
"""The code of weight 0; codes are 0 … 14."""
_TOGETHER = 20
"""Lines of all rows that are summed before the next lines, whose sums fit in the first cache. By measurement: 10 to 40
lines do alike, more and fewer less."""
_UNITS = 127
"""A row's factor is 0 … 127 units: a signed byte."""
UNREAD = 0.05
"""Codes of the rows with the smallest factors are not read: of so much of the sum of all squared factors."""


class CompactWeights(NamedTuple):
    """W (n, n): weights[i, j] = largest[i, j] + (code[i, h] − ZERO) · scales[i], where j = columns[h]."""

    indptr: Longs
    largest_columns: Columns
    largest: Floats
    marks: Marks
    """Of the m columns that have codes."""
    codes: Bytes
    """(n, 64 · ⌈m / 128⌉): the codes of a row, two in a byte, in the order of `nibbles.ORDER`, a line for each 128
    columns. ZERO where `largest` has the weight."""
    scales: Floats
    """(n,) not negative."""

    @property
    def columns(self) -> Ints:
        """Those that have codes, (m,) ascending."""
        return places_of(self.marks)


@njit(nogil=True, cache=True)
def in_units(factors: Floats) -> tuple[NDArray[np.int8], Any]:
    """Return factors, none of them negative, in units of a 127th of the largest, and the unit."""
    unit = factors.max() / np.float32(_UNITS) if len(factors) else np.float32(0)
    if not unit > 0:
        return np.zeros(len(factors), np.int8), np.float32(0)
    return (factors / unit + np.float32(0.5)).astype(np.int8), unit


@njit(nogil=True, cache=True)
def least_factor(factors: NDArray[np.int8]) -> int:
    """Return what a factor must reach so that the squares of those that do not are UNREAD of all squares at most."""
    squares = np.zeros(_UNITS + 1, np.int64)
    for factor in factors:
        squares[factor] += np.int64(factor) * factor
    least, left = 1, UNREAD * squares.sum() - squares[1]
    while left >= 0 and least < _UNITS:
        least += 1
        left -= squares[least]
    return least


@njit(nogil=True, cache=True)
def _that_count(items: Ints, factors: NDArray[np.int8]) -> tuple[Ints, NDArray[np.int8]]:
    """Return the rows that are read, and their factors, up to a multiple of ROWS with 0."""
    least, size = least_factor(factors), 0
    own, their = np.empty(len(items), np.int32), np.zeros(-(-len(items) // ROWS) * ROWS, np.int8)
    for position in range(len(items)):
        own[size], their[size] = items[position], factors[position]
        size += factors[position] >= least
    padded = -(-size // ROWS) * ROWS
    their[size:padded] = 0
    return own[:size], their[:padded]


@njit(nogil=True, cache=True)
def _sum_codes(codes: Bytes, factors: NDArray[np.int8], items: Ints) -> Ints:
    """Return the sums of codes · factor over the rows `items`, (2 · row bytes,)."""
    packed, row = codes.reshape(codes.size), codes.shape[1]
    sums, starts = np.zeros(2 * row, np.int32), np.zeros(len(factors), np.int64)
    for position in range(len(items)):
        starts[position] = np.int64(items[position]) * row
    for first in range(0, row, _TOGETHER * BYTES):
        lines = min(_TOGETHER, (row - first) // BYTES)
        for some in range(0, len(factors), ROWS):
            ahead, shift = some + ROWS, 0
            if ahead == len(factors):  # the next are the first rows' next lines, if there are any
                ahead, shift = 0, min(lines * BYTES, row - BYTES - first)
            add_rows(packed, starts, some, ahead, shift, lines, factors, sums, 2 * first)  # type: ignore[call-arg]
        starts += lines * BYTES
    return sums


@njit(nogil=True, cache=True)
def _values(sums: Ints, factors: NDArray[np.int8], unit: Any) -> Floats:
    """Return what sums of codes · factor stand for."""
    nothing, values = ZERO * factors.astype(np.int32).sum(), np.empty(len(sums), np.float32)
    for h in range(len(sums)):
        values[h] = unit * np.float32(sums[h] - nothing)
    return values


@njit(nogil=True, cache=True)
def score_history_compact(
    indptr: Longs,
    largest_columns: Columns,
    largest: Floats,
    marks: Marks,
    codes: Bytes,
    scales: Floats,
    items: Ints,
    weights: Floats,
) -> Floats:
    """Return x @ W for the sparse row vector x of the history, its weights not negative; (n,).

    A factor is rounded to a 127th of the largest of the history: far less than a weight is by its code. What the codes
    of the rows with the smallest factors add is about what rounding to codes changes: they are a quarter of the rows,
    and are not read. W comes in its parts, since a call from Python that takes a named tuple costs more.
    """
    scores = score_history_sparse(indptr, largest_columns, largest, len(scales), items, weights)
    exact = np.empty(len(items), np.float32)
    for position in range(len(items)):
        exact[position] = weights[position] * scales[items[position]]
    factors, unit = in_units(exact)
    items, factors = _that_count(items, factors)
    add_to_marked(_values(_sum_codes(codes, factors, items), factors, unit), marks, scores)
    return scores


def warm_up() -> None:
    """Compile for arrays mapped from disk."""
    items, weights = np.zeros(1, np.int32), np.ones(1, np.float32)
    indptr, codes = np.array([0, 1], np.int64), np.full((1, BYTES), ZERO, np.uint8)
    for kind in (np.uint16, np.int32):
        largest, marks = (items.astype(kind), weights.copy()), marks_of(items, 1)
        arrays: tuple[Any, ...] = (indptr, *largest, marks, codes, weights.copy())
        for array in arrays:
            array.flags.writeable = False
        score_history_compact(*arrays, items, weights)  # type: ignore[call-arg]
