"""SLIM against irspack's, and against scikit-learn's ElasticNet in two processes."""

import multiprocessing
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from training import slim
from training.peers.bench import Bench
from training.peers.contest import THREADS, Contest, Outcomes, Row, Side
from training.peers.quiet import quiet
from training.slim_sklearn import Column, solve_item

SAMPLE, QUICK_SAMPLE = 1500, 100
"""Items that scikit-learn solves; its time for more is scaled."""
COLUMNS_TOGETHER = 1000
START_SECONDS = 120.0

_worker: dict[str, Any] = {}
"""In a worker process: matrix and parameters."""


def contests(bench: Bench) -> Iterator[Contest]:
    """Same parameters and so the same objective for all three; its value of each is in the note."""
    X, config = sp.csr_matrix(bench.X("slim")), bench.config("slim", num_threads=THREADS)
    n_items = X.shape[1]
    every, sample = np.arange(n_items), _sample(n_items, QUICK_SAMPLE if bench.quick else SAMPLE)
    complete = len(sample) == n_items
    timed = "all items" if complete else f"a random {len(sample):,} of {n_items:,} items, seconds scaled"

    def recall(W: sp.csr_matrix) -> dict[str, float]:
        return bench.recall_of_weights("slim", W)

    def note(peer: str, items: NDArray[np.int64], outcomes: Outcomes) -> str:
        values = [objective(X, outcomes[name].result, config, items) for name in ("ours", peer)]
        return f"objective ours {values[0]:.6f}, peer {values[1]:.6f}"

    sklearn = Side(
        lambda pool: _solve(pool, sample, n_items),
        lambda: _pool(X, config),
        recall if complete else None,
        scale=n_items / len(sample),
    )
    yield Contest(
        {
            "ours": Side(lambda _: slim.fit(X, config), lambda: slim.fit(X[:, :200], config), recall),
            "irspack": Side(_learn, lambda: _irspack(X, config), recall, "irspack"),
            "sklearn": sklearn,
        },
        [
            Row(
                f"SLIM, alpha {config.alpha:g}, l1_ratio {config.l1_ratio:g} / irspack", "ours", "irspack",
                lambda found: note("irspack", every, found),
            ),
            Row(
                "SLIM / scikit-learn", "ours", "sklearn",
                lambda found: f"peer: two processes, float32 CSC; {timed}; {note('sklearn', sample, found)}",
            ),
        ],
    )  # fmt: skip


def objective(X: sp.csr_matrix, W: sp.csr_matrix, config: slim.Config, items: NDArray[np.int64]) -> float:
    """Value of SLIM's objective, the sum over columns `items` of W."""
    X = X.astype(np.float64)
    targets, weights = sp.csc_array(X), sp.csc_array(W).astype(np.float64)[:, items]
    squares = 0.0
    for first in range(0, len(items), COLUMNS_TOGETHER):
        part = slice(first, first + COLUMNS_TOGETHER)
        residual = (targets[:, items[part]] - X @ weights[:, part]).toarray()
        squares += float(np.square(residual).sum())
    l1, l2 = config.alpha * config.l1_ratio, config.alpha * (1 - config.l1_ratio)
    return squares / (2 * X.shape[0]) + l1 * float(weights.data.sum()) + 0.5 * l2 * float(np.square(weights.data).sum())


def _sample(n_items: int, size: int) -> NDArray[np.int64]:
    return np.sort(np.random.default_rng(0).permutation(n_items)[:size])


def _irspack(X: sp.csr_matrix, config: slim.Config) -> Any:
    """All parameters mean the same there, but `tol`: an absolute change, ours is relative to the largest weight."""
    Recommender = import_module("irspack.recommenders.slim").SLIMRecommender
    parameters = {"alpha": config.alpha, "l1_ratio": config.l1_ratio, "tol": config.tolerance}
    with quiet():
        return Recommender(
            sp.csr_matrix(X, dtype=np.float64), n_iter=config.max_sweeps, n_threads=THREADS, **parameters
        )


def _learn(recommender: Any) -> sp.csr_matrix:
    with quiet():
        return sp.csr_matrix(recommender.learn().W, dtype=np.float32)


def _pool(X: sp.csr_matrix, config: slim.Config) -> Any:
    """Start processes, untimed, that hold the matrix; float32 was the faster of both on all data tried."""
    parameters = {"alpha": config.alpha, "l1_ratio": config.l1_ratio}
    parameters |= {"tol": config.tolerance, "max_iter": config.max_sweeps}
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(THREADS + 1)
    pool = context.Pool(THREADS, _start, (sp.csc_matrix(X, dtype=np.float32), parameters, ready))
    ready.wait(START_SECONDS)
    return pool


def _start(X: sp.csc_matrix, parameters: dict[str, Any], ready: Any) -> None:
    _worker.update(X=X, parameters=parameters)
    ready.wait(START_SECONDS)


def _solve_one(item: int) -> Column:
    return solve_item(_worker["X"], item, _worker["parameters"])


def _solve(pool: Any, items: NDArray[np.int64], n_items: int) -> sp.csr_matrix:
    with pool:
        columns: list[Column] = pool.map(_solve_one, items.tolist(), chunksize=8)
    rows, values = (np.concatenate([column[part] for column in columns]) for part in (0, 1))
    owner = np.repeat(items, [len(column[0]) for column in columns])
    return sp.csr_matrix((values, (rows, owner)), shape=(n_items, n_items))
