"""The numeric work of a request: serial, nogil, compiled once and cached.

Items here are indices of one model (columns of W, rows of an embedding). An item with score 0 is
one the model has nothing to say about, and −inf marks an item that may not be returned; neither
is ever part of a result.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from service.array_types import Bools, Floats, Ints, Longs
from service.prefetch import LINE, prefetch
from service.top_kernels import top_k

Columns = NDArray[np.uint16] | NDArray[np.int32]

_ROWS_AHEAD = 4
"""How early a row is asked for: later it is waited for, earlier it may be gone again."""


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})
def score_history_dense(W: Floats, items: Ints, weights: Floats) -> Floats:
    """Return x @ W for the sparse row vector x: the sum of W's rows `items`, each times its weight.

    W: (n, n) float32, W[i, j] = weight of history item i on candidate j. Four rows at a time, so
    that the sums pass through memory once for four rows.
    """
    scores = np.zeros(W.shape[1], np.float32)
    whole = len(items) - len(items) % 4
    for start in range(0, whole, 4):
        a, b, c, d = W[items[start]], W[items[start + 1]], W[items[start + 2]], W[items[start + 3]]
        wa, wb, wc, wd = weights[start], weights[start + 1], weights[start + 2], weights[start + 3]
        for j in range(len(scores)):
            scores[j] += wa * a[j] + wb * b[j] + wc * c[j] + wd * d[j]
    for position in range(whole, len(items)):
        row, weight = W[items[position]], weights[position]
        for j in range(len(scores)):
            scores[j] += weight * row[j]
    return scores


@njit(nogil=True, cache=True)
def _prefetch_entries(columns: Columns, values: Floats, first: int, end: int) -> None:
    for entry in range(first, end, LINE // 4):
        prefetch(values, entry)
    for entry in range(first, end, LINE // columns.itemsize):
        prefetch(columns, entry)


@njit(nogil=True, cache=True)
def score_history_sparse(
    indptr: Longs, columns: Columns, values: Floats, n_items: int, items: Ints, weights: Floats
) -> Floats:
    """Return x @ W for W in compressed rows; only the rows of the history are touched.

    columns: uint16 where they fit in it, for less to read, or int32; not negative. Slices and unsigned
    columns spare the wraparound of negative indices.
    """
    scores, spans = np.zeros(n_items, np.float32), np.empty((len(items), 2), np.int64)
    for position in range(len(items)):  # all at once: one by one, each would be waited for before its row is asked for
        spans[position, 0], spans[position, 1] = indptr[items[position]], indptr[items[position] + 1]
    for position in range(len(items)):
        if position + _ROWS_AHEAD < len(items):
            later = spans[position + _ROWS_AHEAD]
            _prefetch_entries(columns, values, later[0], later[1])
        weight, first, end = weights[position], spans[position, 0], spans[position, 1]
        row_columns, row_values = columns[first:end], values[first:end]
        for entry in range(len(row_columns)):
            scores[np.uint64(row_columns[entry])] += weight * row_values[entry]
    return scores


@njit(nogil=True, cache=True)
def holds(ascending: Ints, item: int) -> bool:
    """Whether a sorted array has the item."""
    position = np.searchsorted(ascending, item)
    return bool(position < len(ascending) and ascending[position] == item)


@njit(nogil=True, cache=True)
def first_eligible(order: Ints, excluded: Ints, allowed: Bools, k: int) -> Ints:
    """Return the first k items of a ranking that are eligible.

    excluded: ascending; an empty `allowed` allows all.
    """
    found = np.empty(min(k, len(order)), np.int32)
    size = 0
    for item in order:
        if size == len(found):
            break
        if (len(allowed) == 0 or allowed[item]) and not holds(excluded, item):
            found[size] = item
            size += 1
    return found[:size]


def warm_up() -> None:
    """Compile (or load from the cache) every kernel for the types it is called with.

    Arrays mapped from disk are read-only, which is a type of its own to numba.
    """
    items, weights = np.zeros(1, np.int32), np.ones(1, np.float32)
    W = np.ones((1, 1), np.float32)
    indptr = np.array([0, 1], np.int64)
    allowed, locked = np.ones(1, np.bool_), items.copy()
    locked.flags.writeable = False
    for lock in (False, True):
        mapped: tuple[NDArray[Any], ...] = (W.copy(), indptr.copy(), items.copy(), weights.copy())
        for array in mapped:
            array.flags.writeable = not lock
        score_history_dense(mapped[0], items, weights)
        scores = score_history_sparse(mapped[1], mapped[2], mapped[3], 1, items, weights)
        short = mapped[2].astype(np.uint16)
        short.flags.writeable = not lock
        scores = score_history_sparse(mapped[1], short, mapped[3], 1, items, weights)
        top_k(scores, 1)
        for excluded in (items, locked):
            first_eligible(mapped[2], excluded, allowed, 1)
