"""The Gram matrix XᵀX of an interaction matrix, dense or sparse, whichever takes less memory."""

from typing import NamedTuple

import numba
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

DENSE_ALWAYS_BYTES = 2**30
"""A dense Gram matrix up to this size is taken whatever its density: its rows are the fastest to read."""


class Gram(NamedTuple):
    """G = XᵀX in one of two layouts, told apart by `indices.size`.

    Sparse: a CSR matrix, indices unsorted. Dense: `indices` empty and row k in
    `data[starts[k]:starts[k + 1]]`, all n_items of them. Read it through `add_row` and `gather_row`.
    """

    starts: NDArray[np.int64]
    """(n_items + 1,); where each row begins in `data`."""
    indices: NDArray[np.int32]
    """Columns of `data` in the sparse layout; empty in the dense one."""
    data: NDArray[np.float32]
    """Values; both layouts hold the diagonal."""
    diagonal: NDArray[np.float32]
    """(n_items,); squared norm of every item's column."""


class Columns(NamedTuple):
    """X (n_users × n_items) by item: a CSC matrix that numba can read."""

    starts: NDArray[np.int64]
    users: NDArray[np.int32]
    values: NDArray[np.float32]
    n_users: int


def columns_of(X: sp.csc_matrix) -> Columns:
    """X by item."""
    return Columns(X.indptr.astype(np.int64), X.indices.astype(np.int32), X.data.astype(np.float32), X.shape[0])


@numba.njit(nogil=True, cache=True, fastmath={"contract", "reassoc"})
def add_row(out, gram, row, factor):  # type: ignore[no-untyped-def]
    """out += factor · G[row]."""
    values = gram.data[gram.starts[row] : gram.starts[row + 1]]
    if gram.indices.size == 0:
        for k in range(values.size):
            out[k] += factor * values[k]
    else:
        columns = gram.indices[gram.starts[row] : gram.starts[row + 1]]
        for e in range(values.size):
            out[columns[e]] += factor * values[e]


@numba.njit(nogil=True, cache=True)
def gather_row(out, gram, row, columns, position):  # type: ignore[no-untyped-def]
    """out[p] = G[row, columns[p]]; `position` is the inverse of `columns`, −1 elsewhere."""
    values = gram.data[gram.starts[row] : gram.starts[row + 1]]
    if gram.indices.size == 0:
        for p in range(columns.size):
            out[p] = values[columns[p]]
        return
    out[: columns.size] = 0
    stored = gram.indices[gram.starts[row] : gram.starts[row + 1]]
    for e in range(stored.size):
        p = position[stored[e]]
        if p >= 0:
            out[p] = values[e]


@numba.njit(parallel=True, cache=True)
def _count(col_starts, users, row_starts, items, counts, chunks):  # type: ignore[no-untyped-def]
    """counts[i] = number of items that share a user with item i."""
    n = counts.size
    for chunk in numba.prange(chunks):
        last = np.full(n, -1, np.int32)
        for i in range(chunk, n, chunks):
            for u in users[col_starts[i] : col_starts[i + 1]]:
                for k in items[row_starts[u] : row_starts[u + 1]]:
                    if last[k] != i:
                        last[k] = i
                        counts[i] += 1


@numba.njit(parallel=True, cache=True)
def _fill(col_starts, users, col_data, row_starts, items, row_data, starts, indices, data, chunks):  # type: ignore[no-untyped-def]
    """Write the rows of G; the sparse layout lists the columns in the order they are met."""
    n = starts.size - 1
    for chunk in numba.prange(chunks):
        sums = np.zeros(n, np.float64)
        met = np.empty(n, np.int32)
        last = np.full(n, -1, np.int32)
        for i in range(chunk, n, chunks):
            count = 0
            for e in range(col_starts[i], col_starts[i + 1]):
                for f in range(row_starts[users[e]], row_starts[users[e] + 1]):
                    k = items[f]
                    if last[k] != i:
                        last[k] = i
                        met[count] = k
                        count += 1
                        sums[k] = 0.0
                    sums[k] += np.float64(col_data[e]) * row_data[f]
            for m in range(count):
                if indices.size == 0:
                    data[starts[i] + met[m]] = sums[met[m]]
                else:
                    indices[starts[i] + m] = met[m]
                    data[starts[i] + m] = sums[met[m]]


def gram_matrix(X: sp.csc_matrix, dense_bytes: int = DENSE_ALWAYS_BYTES) -> Gram:
    """G = XᵀX for X (n_users × n_items, float32), on numba's current number of threads.

    Dense when it fits `dense_bytes` or when the sparse layout (8 bytes an entry) would be larger.
    Work: the sum over users of (items of the user)².
    """
    n = X.shape[1]
    rows = X.tocsr()
    by_column = (X.indptr.astype(np.int64), X.indices.astype(np.int32), X.data)
    by_row = (rows.indptr.astype(np.int64), rows.indices.astype(np.int32), rows.data)
    chunks = min(n, 8 * numba.get_num_threads())
    counts = np.zeros(n, np.int64)
    dense = 4 * n * n <= dense_bytes
    if not dense:
        _count(*by_column[:2], *by_row[:2], counts, chunks)
        dense = 2 * int(counts.sum()) >= n * n
    if dense:
        counts[:] = n
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    indices = np.empty(0 if dense else starts[-1], np.int32)
    data = np.zeros(starts[-1], np.float32)
    _fill(*by_column, *by_row, starts, indices, data, chunks)
    diagonal = np.asarray(X.multiply(X).sum(axis=0), np.float32).ravel()
    return Gram(starts, indices, data, diagonal)
