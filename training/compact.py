"""A dense item-item matrix in a compact form that is scored several times faster (`service.compact_kernels`)."""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from service.compact_kernels import CompactWeights
from training.blas import Matrix
from training.top_weights import SLAB, keep_largest

DEPTH = 100
MAX_USERS = 1000
LARGEST_CODE = 127


def compress(W: Matrix, X: sp.csr_array, k: int, n_columns: int, seed: int) -> CompactWeights:
    """Keep the k largest weights of each row as they are, the rest of `n_columns` columns in 8 bits.

    W (n, n); X (n_users, n): histories, of which a sample says which columns matter: those of the items that
    are most often among a user's best hundred.
    """
    pruned = keep_largest(W, k)
    columns = _important_columns(W, X, min(n_columns, W.shape[0]), seed)
    codes, scales = np.empty((W.shape[0], len(columns)), np.int8), np.empty(W.shape[0], np.float32)
    for low in range(0, W.shape[0], SLAB):
        rest = W[low : low + SLAB].astype(np.float32)
        rest[pruned[low : low + SLAB].nonzero()] = 0
        rest = rest[:, columns]
        scale = np.maximum(np.abs(rest).max(axis=1), np.finfo(np.float32).tiny) / LARGEST_CODE
        codes[low : low + SLAB] = np.rint(rest / scale[:, None])
        scales[low : low + SLAB] = scale
    return CompactWeights(
        pruned.indptr.astype(np.int64),
        pruned.indices.astype(np.int32),
        pruned.data.astype(np.float32),
        columns,
        codes,
        scales,
    )


def scores(X: sp.csr_array, W: CompactWeights) -> NDArray[np.float32]:
    """Return X @ W, (n_users, n)."""
    n = len(W.scales)
    found: NDArray[np.float32] = (X @ sp.csr_array((W.largest, W.largest_columns, W.indptr), shape=(n, n))).toarray()
    scaled = X @ sp.diags_array(W.scales)
    for low in range(0, len(W.columns), SLAB):
        part = slice(low, low + SLAB)
        found[:, W.columns[part]] += scaled @ W.codes[:, part].astype(np.float32)
    return found


def _important_columns(W: Matrix, X: sp.csr_array, n_columns: int, seed: int) -> NDArray[np.int32]:
    users = np.sort(np.random.default_rng(seed).permutation(X.shape[0])[:MAX_USERS])
    depth = min(DEPTH, W.shape[0])
    counts = np.zeros(W.shape[0], np.int64)
    for low in range(0, len(users), DEPTH):
        found = X[users[low : low + DEPTH]] @ W
        best = np.argpartition(-found, depth - 1, axis=1)[:, :depth]
        counts += np.bincount(best.ravel(), minlength=len(counts))
    popularity = np.bincount(X.indices, minlength=len(counts))
    return np.lexsort((-popularity, -counts))[:n_columns].astype(np.int32)
