"""The largest weights of every row of a matrix, as a sparse matrix."""

import numba
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from service.array_types import Bools, Integers, Ints
from training.blas import Matrix

SLAB = 1024


@numba.njit(parallel=True, cache=True)
def _keep_rows(W, k, columns, values, counts):  # type: ignore[no-untyped-def]
    """Write the k entries of each row that are largest in absolute value, in the order of the columns."""
    for i in numba.prange(W.shape[0]):
        size = np.abs(W[i])
        smallest = np.partition(size, size.size - k)[size.size - k]
        larger = 0
        for j in range(size.size):
            larger += size[j] > smallest
        ties = k - larger
        count = 0
        for j in range(size.size):
            keep = size[j] > smallest
            if size[j] == smallest and ties > 0:
                ties -= 1
                keep = True
            if keep and size[j] > 0:
                columns[i, count] = j
                values[i, count] = W[i, j]
                count += 1
        counts[i] = count


def keep_largest(W: Matrix | sp.csr_array, k: int) -> sp.csr_array:
    """Prune every row of W to its k entries largest in absolute value; zeros are never kept.

    Returns CSR with sorted int32 indices and W's dtype. Of equal entries the first columns stay. By size and
    not by value: the negative weights take part in the ranking, and dropping them costs far more recall.
    W (n, m) is dense or CSR and is read in slabs of rows; beside the result this needs n · k entries.
    """
    if k < 1:
        raise ValueError(f"k = {k}: wanted at least 1 weight in a row")
    n, m = W.shape
    k = min(k, m)
    columns, values = np.empty((n, k), np.int32), np.empty((n, k), W.dtype)
    counts = np.zeros(n, np.int64)
    for low in range(0, n if k else 0, SLAB):
        rows = slice(low, low + SLAB)
        slab = W[rows].toarray() if sp.issparse(W) else W[rows]
        _keep_rows(np.ascontiguousarray(slab), k, columns[rows], values[rows], counts[rows])
    kept: Bools = np.arange(k) < counts[:, None]
    starts = np.concatenate([[0], np.cumsum(counts)])
    return sp.csr_array((values[kept], columns[kept], starts), shape=(n, m))


def narrow(columns: Integers, n: int) -> NDArray[np.uint16] | Ints:
    """Return columns 0 … n − 1 in 16 bits where they fit: what is read per request is the columns and the weights."""
    return columns.astype(np.uint16) if n <= 2**16 else columns.astype(np.int32)
