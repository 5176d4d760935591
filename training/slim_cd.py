"""SLIM by coordinate descent on the residuals, in blocks of columns on all cores (Ning & Karypis 2011)."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import scipy.sparse as sp

from service.array_types import Floats, Ints, Longs
from training.progress import track
from training.slim_kernels import Columns, Penalty, solve_block
from training.slim_lanes import LANES

Solved = tuple[Longs, Ints, Floats, int]
"""Weights per column, items and weights column after column, and how many columns did not converge."""


def solve_cd(X: sp.csc_matrix, penalty: Penalty, threads: int, initial: sp.csc_matrix) -> tuple[sp.csr_matrix, int]:
    """W (n_items × n_items, CSR) for X (n_users × n_items), and how many columns did not converge.

    `initial`: a W to start from, which may be empty. Blocks of LANES columns are solved independently and
    handed to `threads` threads; the result does not depend on their number.
    """
    # By popularity, the columns of a block have much the same candidates and need about as many sweeps.
    order = np.argsort(-np.diff(X.indptr), kind="stable")
    blocks = _solve_ordered(X[:, order], penalty, threads, initial[order][:, order])
    counts, items, weights, failed = zip(*blocks, strict=True)
    rows = order[np.concatenate(items)]
    columns = np.repeat(order, np.concatenate(counts))
    W = sp.csr_matrix((np.concatenate(weights), (rows, columns)), shape=(X.shape[1], X.shape[1]))
    W.sort_indices()
    return W, sum(failed)


def _solve_ordered(X: sp.csc_matrix, penalty: Penalty, threads: int, initial: sp.csc_matrix) -> list[Solved]:
    norms = np.asarray(X.multiply(X).sum(axis=0), np.float32).ravel()
    columns = Columns(*_arrays(X), norms, X.shape[0])
    warm = _arrays(initial)
    firsts = range(0, X.shape[1], LANES)

    def solve(first: int) -> Solved:
        block: Solved = solve_block(columns, first, min(first + LANES, X.shape[1]), warm, penalty)
        return block

    with ThreadPoolExecutor(threads) as pool:
        return list(track(pool.map(solve, firsts), "slim", len(firsts)))


def _arrays(X: sp.csc_matrix) -> tuple[Longs, Ints, Floats]:
    return X.indptr.astype(np.int64), X.indices.astype(np.int32), X.data.astype(np.float32)
