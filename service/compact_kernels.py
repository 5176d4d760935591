"""history @ W for W in a compact form: serial, nogil, compiled once and cached.

W ≈ the few largest weights of every row, exactly, in compressed rows, + the rest of a row on those columns
that matter most, as 8-bit codes times a scale of the row. A row of codes is read in one go, a quarter of the
bytes of float32: what limits this sum is the memory, not the arithmetic.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from service.kernels import score_history_sparse

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Codes = NDArray[np.int8]


class CompactWeights(NamedTuple):
    """W (n, n): weights[i, j] = largest[i, j] + codes[i, h] · scales[i], where columns[h] = j."""

    indptr: NDArray[np.int64]
    largest_columns: Ints
    largest: Floats
    columns: Ints
    """(h,) distinct; the most important first."""
    codes: Codes
    """(n, h); 0 where `largest` has the weight."""
    scales: Floats
    """(n,)."""


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})
def _sum_codes(codes: Codes, scales: Floats, items: Ints, weights: Floats) -> Floats:
    """Return the sum of the rows `items`, each times its weight and scale; four rows at a time."""
    sums = np.zeros(codes.shape[1], np.float32)
    whole = len(items) - len(items) % 4
    for start in range(0, whole, 4):
        i, j, k, m = items[start], items[start + 1], items[start + 2], items[start + 3]
        a, b, c, d = codes[i], codes[j], codes[k], codes[m]
        wa, wb = weights[start] * scales[i], weights[start + 1] * scales[j]
        wc, wd = weights[start + 2] * scales[k], weights[start + 3] * scales[m]
        for h in range(len(sums)):
            sums[h] += (wa * np.float32(a[h]) + wb * np.float32(b[h])) + (wc * np.float32(c[h]) + wd * np.float32(d[h]))
    for position in range(whole, len(items)):
        row, weight = codes[items[position]], weights[position] * scales[items[position]]
        for h in range(len(sums)):
            sums[h] += weight * np.float32(row[h])
    return sums


@njit(nogil=True, cache=True)
def score_history_compact(W: CompactWeights, items: Ints, weights: Floats) -> Floats:
    """Return x @ W for the sparse row vector x of the history; (n,)."""
    scores = score_history_sparse(W.indptr, W.largest_columns, W.largest, len(W.scales), items, weights)
    sums = _sum_codes(W.codes, W.scales, items, weights)
    for h in range(len(sums)):
        scores[W.columns[h]] += sums[h]
    return scores


def warm_up() -> None:
    """Compile for arrays mapped from disk."""
    items, weights = np.zeros(1, np.int32), np.ones(1, np.float32)
    indptr, codes = np.array([0, 1], np.int64), np.ones((1, 1), np.int8)
    arrays: tuple[Any, ...] = (indptr, items.copy(), weights.copy(), items.copy(), codes, weights.copy())
    for array in arrays:
        array.flags.writeable = False
    score_history_compact(CompactWeights(*arrays), items, weights)
