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
from service.nibbles import BYTES, ROWS, add_rows

ZERO = 7
"""The code of weight 0; codes are 0 … 14."""
_TOGETHER = 20
"""Lines of all rows that are summed before the next lines, whose sums fit in the first cache. By measurement: 10 to 40
lines do alike, more and fewer less."""
_UNITS = 127
"""A row's factor is 0 … 127 units: a signed byte."""


class CompactWeights(NamedTuple):
    """W (n, n): weights[i, j] = largest[i, j] + (code[i, h] − ZERO) · scales[i], where columns[h] = j."""

    indptr: Longs
    largest_columns: Columns
    largest: Floats
    columns: Ints
    """(m,) distinct, ascending."""
    codes: Bytes
    """(n, 64 · ⌈m / 128⌉): the codes of a row, two in a byte, in the order of `nibbles.ORDER`, a line for each 128
    columns. ZERO where `largest` has the weight."""
    scales: Floats
    """(n,) not negative."""


@njit(nogil=True, cache=True)
def _factors(scales: Floats, items: Ints, weights: Floats) -> tuple[NDArray[np.int8], Any]:
    """Return weight · scale of every row in units of a 127th of the largest, 0 for rows that pad, and the unit."""
    exact = np.zeros(-(-len(items) // ROWS) * ROWS, np.float32)
    for position in range(len(items)):
        exact[position] = weights[position] * scales[items[position]]
    unit = exact.max() / np.float32(_UNITS)
    if not unit > 0:
        return np.zeros(len(exact), np.int8), np.float32(0)
    return (exact / unit + np.float32(0.5)).astype(np.int8), unit


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
def score_history_compact(
    indptr: Longs,
    largest_columns: Columns,
    largest: Floats,
    columns: Ints,
    codes: Bytes,
    scales: Floats,
    items: Ints,
    weights: Floats,
) -> Floats:
    """Return x @ W for the sparse row vector x of the history, its weights not negative; (n,).

    A factor is rounded to a 127th of the largest of the history: far less than a weight is by its code. W comes in its
    parts, since a call from Python that takes a named tuple costs more.
    """
    scores = score_history_sparse(indptr, largest_columns, largest, len(scales), items, weights)
    if len(items) == 0:
        return scores
    factors, unit = _factors(scales, items, weights)
    sums = _sum_codes(codes, factors, items)
    nothing = ZERO * factors.astype(np.int32).sum()
    for h in range(len(columns)):
        scores[np.uint64(columns[h])] += unit * np.float32(sums[h] - nothing)
    return scores


def warm_up() -> None:
    """Compile for arrays mapped from disk."""
    items, weights = np.zeros(1, np.int32), np.ones(1, np.float32)
    indptr, codes = np.array([0, 1], np.int64), np.full((1, BYTES), ZERO, np.uint8)
    for kind in (np.uint16, np.int32):
        arrays: tuple[Any, ...] = (indptr, items.astype(kind), weights.copy(), items.copy(), codes, weights.copy())
        for array in arrays:
            array.flags.writeable = False
        score_history_compact(*arrays, items, weights)  # type: ignore[call-arg]
