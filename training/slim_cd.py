"""SLIM by coordinate descent on the Gram matrix, item by item on all cores (Ning & Karypis 2011)."""

from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from training.progress import track
from training.slim_gram import columns_of, gram_matrix
from training.slim_kernels import FIRST_WORKING_SET, Penalty, Space, hopeless, solve_item
from training.threads import limit_threads

ITEMS_PER_BLOCK = 32

Block = tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32], int]
"""Weights per column, items and weights column after column, and how many columns did not converge."""


@numba.njit(nogil=True, cache=True)
def solve_block(columns, gram, first, last, warm_starts, warm_items, warm_weights, penalty):  # type: ignore[no-untyped-def]
    """Columns first … last − 1 of W as a Block; the warm start is a W in CSC."""
    n = gram.diagonal.size
    i, f = np.empty((3, n), np.int32), np.empty((4, n), np.float32)
    r, position = np.empty(columns.n_users, np.float32), np.full(n, -1, np.int32)
    space = Space(r, f[0], position, i[0], i[1], i[2], f[1], f[2], f[3])
    sub = np.empty((2 * FIRST_WORKING_SET, 2 * FIRST_WORKING_SET), np.float32)
    counts = np.zeros(last - first, np.int64)
    items, weights = np.empty(1024, np.int32), np.empty(1024, np.float32)
    total = failed = 0
    for target in range(first, last):
        if hopeless(gram, target, penalty):
            continue
        lo, hi = warm_starts[target], warm_starts[target + 1]
        m, converged, sub = solve_item(
            columns, gram, target, warm_items[lo:hi], warm_weights[lo:hi], penalty, space, sub
        )
        failed += not converged
        if total + m > items.size:
            items = np.concatenate((items, np.empty(total + m, np.int32)))
            weights = np.concatenate((weights, np.empty(total + m, np.float32)))
        before = total
        for a in range(m):
            if space.w[a] > 0:
                items[total] = space.members[a]
                weights[total] = space.w[a]
                total += 1
        counts[target - first] = total - before
    return counts, items[:total].copy(), weights[:total].copy(), failed


def solve_cd(X: sp.csc_matrix, penalty: Penalty, threads: int, initial: sp.csc_matrix) -> tuple[sp.csr_matrix, int]:
    """W (n_items × n_items, CSR) for X (n_users × n_items), and how many columns did not converge.

    `initial`: a W to start from, which may be empty. Items are solved independently, in blocks handed to
    `threads` threads; the result does not depend on their number.
    """
    # With the popular items first, the entries of G that are read lie close together: fewer cache misses.
    order = np.argsort(-np.diff(X.indptr), kind="stable")
    blocks = _solve_ordered(X[:, order], penalty, threads, initial[order][:, order])
    counts, items, weights, failed = zip(*blocks, strict=True)
    rows = order[np.concatenate(items)]
    columns = np.repeat(order, np.concatenate(counts))
    W = sp.csr_matrix((np.concatenate(weights), (rows, columns)), shape=(X.shape[1], X.shape[1]))
    W.sort_indices()
    return W, sum(failed)


def _solve_ordered(X: sp.csc_matrix, penalty: Penalty, threads: int, initial: sp.csc_matrix) -> list[Block]:
    with limit_threads(threads):
        gram = gram_matrix(X)
    columns = columns_of(X)
    warm = (initial.indptr.astype(np.int64), initial.indices.astype(np.int32), initial.data.astype(np.float32))
    firsts = range(0, X.shape[1], ITEMS_PER_BLOCK)

    def solve(first: int) -> Block:
        last = min(first + ITEMS_PER_BLOCK, X.shape[1])
        block: Block = solve_block(columns, gram, first, last, *warm, penalty)
        return block

    with ThreadPoolExecutor(threads) as pool:
        return list(track(pool.map(solve, firsts), "slim", len(firsts)))
