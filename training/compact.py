"""A dense item-item matrix in a compact form that is scored many times faster (`service.compact_kernels`)."""

import itertools

import numpy as np
import scipy.sparse as sp

from service.array_types import Bytes, Floats, Ints
from service.compact_kernels import ZERO, CompactWeights, in_units, least_factor
from service.marked import marks_of
from service.nibbles import BYTES, NUMBERS, ORDER
from training.blas import Matrix
from training.top_weights import SLAB, keep_largest, narrow

DEPTH = 100
MAX_USERS = 1000
_PLACES = np.argsort(ORDER)
"""Of a line's codes in its bytes, the lower halves first."""


def compress(W: Matrix, X: sp.csr_array, k: int, n_columns: int, seed: int) -> CompactWeights:
    """Keep the k largest weights of each row as they are, the rest of `n_columns` columns in 4 bits.

    W (n, n); X (n_users, n): histories, of which a sample says which columns matter: those of the items that
    are most often among a user's best hundred.
    """
    pruned = keep_largest(W, k)
    columns = _important_columns(W, X, min(n_columns, W.shape[0]), seed)
    row_bytes = -(-len(columns) // NUMBERS) * BYTES
    codes, scales = np.empty((W.shape[0], row_bytes), np.uint8), np.empty(W.shape[0], np.float32)
    for low in range(0, W.shape[0], SLAB):
        rest = W[low : low + SLAB].astype(np.float32)
        rest[pruned[low : low + SLAB].nonzero()] = 0
        rest = rest[:, columns]
        scale = np.maximum(np.abs(rest).max(axis=1), np.finfo(np.float32).tiny) / ZERO
        codes[low : low + SLAB] = _pack(np.rint(rest / scale[:, None]).astype(np.int32) + ZERO, row_bytes)
        scales[low : low + SLAB] = scale
    return CompactWeights(
        pruned.indptr.astype(np.int64),
        narrow(pruned.indices, W.shape[1]),
        pruned.data.astype(np.float32),
        marks_of(columns, W.shape[0]),
        codes,
        scales,
    )


def scores(X: sp.csr_array, W: CompactWeights) -> Floats:
    """Return X @ W as it is served, (n_users, n)."""
    n, row_bytes = W.codes.shape
    largest = sp.csr_array((W.largest, W.largest_columns.astype(np.int32), W.indptr), shape=(n, n))
    found: Floats = (X @ largest).toarray()
    scaled, coded = _that_count(X @ sp.diags_array(W.scales)), W.columns
    for low in range(0, row_bytes, SLAB):
        columns = coded[2 * low : 2 * low + 2 * SLAB]
        codes = _unpack(np.ascontiguousarray(W.codes[:, low : low + SLAB]))[:, : len(columns)]
        found[:, columns] += scaled @ (codes.astype(np.float32) - ZERO)
    return found


def _that_count(scaled: sp.csr_array) -> sp.csr_array:
    """Leave out of each history the rows of W whose codes are not read."""
    for start, stop in itertools.pairwise(scaled.indptr.tolist()):
        factors, _ = in_units(scaled.data[start:stop])
        scaled.data[start:stop][factors < least_factor(factors)] = 0
    return scaled


def _pack(codes: Ints, row_bytes: int) -> Bytes:
    """Lay codes (rows, m) out two to a byte, a line for each 128; zeros at the end."""
    padded = np.zeros((len(codes), 2 * row_bytes), np.uint8)
    padded[:, : codes.shape[1]] = codes
    halves = padded.reshape(len(codes), -1, NUMBERS)[:, :, _PLACES].reshape(len(codes), -1, 2, BYTES)
    packed = halves[:, :, 0] | halves[:, :, 1] << 4
    return packed.astype(np.uint8).reshape(len(codes), row_bytes)


def _unpack(packed: Bytes) -> Bytes:
    """Return the codes (rows, 2 · bytes) of whole lines."""
    lines = packed.reshape(len(packed), -1, BYTES)
    codes: Bytes = np.concatenate([lines & 15, lines >> 4], axis=2)[:, :, list(ORDER)].reshape(len(packed), -1)
    return codes


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
