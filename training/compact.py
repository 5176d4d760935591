"""A dense item-item matrix in a compact form that is scored many times faster (`service.compact_kernels`)."""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from service.array_types import Floats, Ints
from service.compact_kernels import CODES_PER_WORD, ZERO, CompactWeights
from training.blas import Matrix
from training.top_weights import SLAB, keep_largest, narrow

DEPTH = 100
MAX_USERS = 1000
BITS = 16 // CODES_PER_WORD


def compress(W: Matrix, X: sp.csr_array, k: int, n_columns: int, seed: int) -> CompactWeights:
    """Keep the k largest weights of each row as they are, the rest of `n_columns` columns in 4 bits.

    W (n, n); X (n_users, n): histories, of which a sample says which columns matter: those of the items that
    are most often among a user's best hundred.
    """
    pruned = keep_largest(W, k)
    columns = _important_columns(W, X, min(n_columns, W.shape[0]), seed)
    n_words = -(-len(columns) // CODES_PER_WORD)
    codes, scales = np.empty((W.shape[0], n_words), np.uint16), np.empty(W.shape[0], np.float32)
    for low in range(0, W.shape[0], SLAB):
        rest = W[low : low + SLAB].astype(np.float32)
        rest[pruned[low : low + SLAB].nonzero()] = 0
        rest = rest[:, columns]
        scale = np.maximum(np.abs(rest).max(axis=1), np.finfo(np.float32).tiny) / ZERO
        codes[low : low + SLAB] = _pack(np.rint(rest / scale[:, None]).astype(np.int32) + ZERO, n_words)
        scales[low : low + SLAB] = scale
    return CompactWeights(
        pruned.indptr.astype(np.int64),
        narrow(pruned.indices, W.shape[1]),
        pruned.data.astype(np.float32),
        columns,
        codes,
        scales,
    )


def scores(X: sp.csr_array, W: CompactWeights) -> Floats:
    """Return X @ W, (n_users, n)."""
    n, n_words = len(W.scales), W.codes.shape[1]
    largest = sp.csr_array((W.largest, W.largest_columns.astype(np.int32), W.indptr), shape=(n, n))
    found: Floats = (X @ largest).toarray()
    scaled = X @ sp.diags_array(W.scales)
    for low in range(0, n_words, SLAB):
        words = W.codes[:, low : low + SLAB]
        for place in range(CODES_PER_WORD):
            columns = W.columns[place * n_words + low : min((place + 1) * n_words, place * n_words + low + SLAB)]
            part = (words >> (BITS * place) & (2**BITS - 1)).astype(np.float32) - ZERO
            found[:, columns] += scaled @ part[:, : len(columns)]
    return found


def _pack(codes: Ints, n_words: int) -> NDArray[np.uint16]:
    """Lay codes (rows, m) out four to a word, the q = n_words first in the lowest bits; zeros at the end."""
    padded = np.zeros((len(codes), CODES_PER_WORD * n_words), np.uint16)
    padded[:, : codes.shape[1]] = codes
    places = padded.reshape(len(codes), CODES_PER_WORD, n_words)
    shifts = BITS * np.arange(CODES_PER_WORD, dtype=np.uint16)
    words: NDArray[np.uint16] = np.bitwise_or.reduce(places << shifts[:, None], axis=1)
    return words


def _important_columns(W: Matrix, X: sp.csr_array, n_columns: int, seed: int) -> Ints:
    users = np.sort(np.random.default_rng(seed).permutation(X.shape[0])[:MAX_USERS])
    depth = min(DEPTH, W.shape[0])
    counts = np.zeros(W.shape[0], np.int64)
    for low in range(0, len(users), DEPTH):
        found = X[users[low : low + DEPTH]] @ W
        best = np.argpartition(-found, depth - 1, axis=1)[:, :depth]
        counts += np.bincount(best.ravel(), minlength=len(counts))
    popularity = np.bincount(X.indices, minlength=len(counts))
    return np.sort(np.lexsort((-popularity, -counts))[:n_columns]).astype(np.int32)
