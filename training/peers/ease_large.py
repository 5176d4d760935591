"""EASE on a check-in log of 41,000 items, against the rate of this machine's own matrix products."""

import resource
import time
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

from training import ease
from training.blas import Matrix
from training.peers.contest import THREADS
from training.pipeline import Table, say


class Size(NamedTuple):
    """Of the log, and the rows of the matrices whose product is timed."""

    users: int
    items: int
    interactions: int
    product: int


SIZE, QUICK_SIZE = Size(29_858, 40_981, 810_128, 8192), Size(1_500, 2_000, 40_000, 1024)
LAMBD = 80.0
OWN = 10
"""Every user has at least about so many interactions, and every item."""
SPREAD = 0.9
"""Popularity falls with this power of the rank."""
CHECKED = 32
"""Columns of the inverse whose residual is computed."""


def measure(quick: bool) -> Table:
    """Fit once; return wall time, rate, peak memory and residual."""
    size = QUICK_SIZE if quick else SIZE
    X = check_ins(size)
    config = ease.Config.model_validate({"lambd": LAMBD, "num_threads": THREADS})
    ease.fit(X[:, :50], config)  # compiles
    before = product_rate(size.product)
    say(f"  a product of {size.product:,} rows: {before:.0f} GFLOP/s; fitting {size.items:,} items")
    started = time.perf_counter()
    W = np.asarray(ease.fit(X, config))  # dense, without sparse_inv and serve_top_k: no copy
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    after = product_rate(size.product)
    rate = size.items**3 / seconds / 1e9
    return {
        f"EASE, {size.users:,} × {size.items:,}, {X.nnz:,} interactions": {
            "fit, s": round(seconds, 2),
            "GFLOP/s by n³": round(rate, 1),
            "sgemm before": round(before, 1),
            "sgemm after": round(after, 1),
            "share of sgemm": round(2 * rate / (before + after), 3),
            "peak RSS, MiB": round(peak / 2**20),
            "peak RSS / 4 n²": round(peak / (4 * size.items**2), 3),
            "residual": f"{residual(X, W, LAMBD):.1e}",
        }
    }


def check_ins(size: Size, seed: int = 0) -> sp.csr_array:
    """A binary matrix (users, items) with exactly so many interactions and a long tail of items."""
    rng = np.random.default_rng(seed)
    popularity = 1.0 / (10 + np.arange(size.items)) ** SPREAD
    cumulative = np.cumsum(popularity / popularity.sum())
    activity = np.cumsum(rng.lognormal(sigma=1.0, size=size.users))
    cells = np.empty(0, np.int64)
    while len(cells) < size.interactions:
        n = size.interactions
        users = np.concatenate(
            [np.searchsorted(activity, rng.random(n) * activity[-1]), np.repeat(np.arange(size.users), OWN)]
        )
        items = np.searchsorted(cumulative, rng.random(len(users)) * cumulative[-1])
        cells = np.unique(np.concatenate([cells, users * size.items + items]))
    kept = np.sort(rng.permutation(len(cells))[: size.interactions])
    users, items = np.divmod(cells[kept], size.items)
    return sp.csr_array((np.ones(len(users), np.float32), (users, items)), shape=(size.users, size.items))


def residual(X: sp.csr_array, W: Matrix, lambd: float) -> float:
    """Largest entry off the diagonal of A·P, in some columns, for A = XᵀX + λI and P = A⁻¹; in float64.

    From W = I − P·diagMat(1 / diag P) follows A (I − W) = diagMat(1 / diag P): each column of it is divided by
    its entry on the diagonal, and the rest would be 0 without rounding.
    """
    n = X.shape[1]
    columns = np.random.default_rng(0).permutation(n)[:CHECKED]
    B = -W[:, columns].astype(np.float64)
    B[columns, np.arange(len(columns))] += 1
    exact = X.astype(np.float64)
    product = exact.T @ (exact @ B) + lambd * B
    own = product[columns, np.arange(len(columns))].copy()
    product[columns, np.arange(len(columns))] = 0
    return float((np.abs(product) / own).max())


def product_rate(rows: int) -> float:
    """GFLOP/s of a float32 product of two square matrices, the best of three."""
    square = np.random.default_rng(0).random((rows, rows), np.float32)
    seconds = []
    with threadpool_limits(THREADS, "blas"):
        for _ in range(3):
            started = time.perf_counter()
            square @ square
            seconds.append(time.perf_counter() - started)
    return 2 * rows**3 / min(seconds) / 1e9
