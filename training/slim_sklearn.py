"""SLIM in its simplified form: one scikit-learn ElasticNet for every item, in parallel processes."""

import multiprocessing
import tempfile
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet

from service.array_types import Floats, Ints
from training.progress import track

ITEMS_PER_BLOCK = 32

Column = tuple[Ints, Floats, bool]
"""Items with a weight, their weights, and whether the solver converged."""

_shared: dict[str, sp.csc_matrix] = {}
"""In a worker process: the matrix it was started with."""


def solve_item(X: sp.csc_matrix, item: int, parameters: dict[str, Any]) -> Column:
    """Regress the column of `item` on all others.

    Its own column is set to 0 for the time of the fit, in place, so that nothing is copied; what remains of
    the constraint w_item = 0 is then the L1 and L2 penalty.
    """
    own = slice(X.indptr[item], X.indptr[item + 1])
    values = X.data[own].copy()
    if values.size == 0:
        return np.empty(0, np.int32), np.empty(0, np.float32), True
    target = np.zeros(X.shape[0])
    target[X.indices[own]] = values
    solver = ElasticNet(positive=True, fit_intercept=False, copy_X=False, **parameters)
    X.data[own] = 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # counted below, reported once by the caller
            solver.fit(X, target)
    finally:
        X.data[own] = values
    weights = solver.coef_.astype(np.float32)
    items = np.flatnonzero(weights).astype(np.int32)
    return items, weights[items], bool(solver.n_iter_ < parameters["max_iter"])


def _solve_block(items: range, parameters: dict[str, Any]) -> list[Column]:
    return [solve_item(_shared["X"], item, parameters) for item in items]


def _load(folder: Path, shape: tuple[int, int]) -> None:
    """Map the matrix: its pages are shared, but for those of `data` that this process zeroes and restores."""
    data = np.load(folder / "data.npy", mmap_mode="c", allow_pickle=False)
    indices, indptr = (
        np.load(folder / f"{part}.npy", mmap_mode="r", allow_pickle=False) for part in ("indices", "indptr")
    )
    _shared["X"] = sp.csc_matrix((data, indices, indptr), shape=shape, copy=False)


def _in_processes(
    X: sp.csc_matrix, blocks: list[range], parameters: dict[str, Any], processes: int
) -> Iterator[list[Column]]:
    with tempfile.TemporaryDirectory(prefix="slim-") as name:
        folder = Path(name)
        for part in ("data", "indices", "indptr"):
            np.save(folder / f"{part}.npy", getattr(X, part), allow_pickle=False)
        # spawn: a fork of a process that has run numba's or BLAS' threads may hang
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, context, _load, (folder, X.shape)) as pool:
            yield from pool.map(partial(_solve_block, parameters=parameters), blocks)


def solve_sklearn(X: sp.csc_matrix, parameters: dict[str, Any], processes: int) -> tuple[sp.csr_matrix, int]:
    """W (n_items × n_items, CSR) for X (n_users × n_items), and how many columns did not converge.

    `parameters`: alpha, l1_ratio, tol and max_iter of ElasticNet. Works in float64.
    """
    n = X.shape[1]
    X = X.astype(np.float64)
    X.sort_indices()
    blocks = [range(first, min(first + ITEMS_PER_BLOCK, n)) for first in range(0, n, ITEMS_PER_BLOCK)]
    processes = min(processes, len(blocks))
    if processes == 1:
        solved = ([solve_item(X, item, parameters) for item in block] for block in blocks)
    else:
        solved = _in_processes(X, blocks, parameters, processes)  # type: ignore[assignment]
    columns = [column for block in track(solved, "slim", len(blocks)) for column in block]
    indptr = np.concatenate([[0], np.cumsum([len(items) for items, _, _ in columns])])
    items, weights = (np.concatenate([column[part] for column in columns]) for part in (0, 1))
    W = sp.csc_matrix((weights, items, indptr), shape=(n, n)).tocsr()
    W.sort_indices()
    return W, sum(not converged for _, _, converged in columns)
