"""ALS against implicit's and irspack's, at equal dimensions and as many sweeps."""

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

from training import als
from training.embeddings import Embeddings
from training.peers.bench import Bench
from training.peers.contest import THREADS, Contest, Outcomes, Row, Side
from training.peers.quiet import quiet

DIMS, QUICK_DIMS = (64, 128, 256), (64,)
QUICK_SWEEPS = 2
REGULARIZATION = (10.0, 1.0, 3.0, 30.0, 100.0)
"""Of implicit, among which a validation part decides, at 64 dimensions."""


def contests(bench: Bench) -> Iterator[Contest]:
    """One contest of three for each number of dimensions."""
    X = bench.X("als")
    sweeps = {"max_iter": QUICK_SWEEPS} if bench.quick else {}

    @cache
    def regularization() -> float:
        def quality(part: Bench, value: float) -> dict[str, float]:
            config = part.config("als", dim=QUICK_DIMS[0], **sweeps)
            return part.recall_of_embeddings("als", fit_implicit(implicit(config, value), part.X("als")))

        values = {f"{value:g}": value for value in REGULARIZATION}
        return bench.choose("regularization of implicit", values, quality)

    for dim in QUICK_DIMS if bench.quick else DIMS:
        config = bench.config("als", dim=dim, num_threads=THREADS, **sweeps)
        yield _contest(bench, X, config, regularization)


def _contest(bench: Bench, X: sp.csr_array, config: als.Config, regularization: Any) -> Contest:
    tiny = config.model_copy(update={"dim": 4, "max_iter": 1})

    def recall(model: Embeddings) -> dict[str, float]:
        return bench.recall_of_embeddings("als", model)

    def note_irspack(outcomes: Outcomes) -> str:
        values = [als.objective(X, outcomes[name].result, config) for name in ("ours", "irspack")]
        return f"{config.max_iter} sweeps, same parameters; objective ours {values[0]:.0f}, peer {values[1]:.0f}"

    def note_implicit(outcomes: Outcomes) -> str:
        del outcomes
        chosen = "given" if bench.quick else "by validation"
        return (
            f"{config.max_iter} sweeps; peer alpha {1 / config.alpha0:g}, regularization {regularization():g} {chosen}"
        )

    return Contest(
        {
            "ours": Side(lambda _: als.fit(X, config), lambda: als.fit(X[:50], tiny), recall),
            "irspack": Side(_learn, lambda: _irspack(X, config), recall, "irspack"),
            "implicit": Side(
                lambda model: fit_implicit(model, X), lambda: implicit(config, regularization()), recall, "implicit"
            ),
        },
        [
            Row(f"ALS {config.dim} / irspack", "ours", "irspack", note_irspack),
            Row(f"ALS {config.dim} / implicit", "ours", "implicit", note_implicit),
        ],
    )


def _irspack(X: sp.csr_array, config: als.Config) -> Any:
    Recommender = import_module("irspack.recommenders.ials").IALSRecommender
    parameters = {"n_components": config.dim, "alpha0": config.alpha0, "reg": config.lambd, "nu": config.nu}
    with quiet():
        return Recommender(sp.csr_matrix(X), train_epochs=config.max_iter, n_threads=THREADS, **parameters)


def _learn(recommender: Any) -> Embeddings:
    with quiet():
        recommender.learn()
    return embeddings(recommender.get_user_embedding(), recommender.get_item_embedding())


def implicit(config: als.Config, regularization: float) -> Any:
    """Weigh an unobserved cell 1, which there is fixed, and so an observed one 1 / alpha0 times its value."""
    with threadpool_limits(1, "blas"), quiet():
        return import_module("implicit.cpu.als").AlternatingLeastSquares(
            factors=config.dim,
            alpha=1 / config.alpha0,
            regularization=regularization,
            iterations=config.max_iter,
            num_threads=THREADS,
            random_state=config.seed,
        )


def fit_implicit(model: Any, X: sp.csr_array) -> Embeddings:
    """Fit a model of implicit as it wants to be run: its own threads, and BLAS on one."""
    with threadpool_limits(1, "blas"), quiet():
        model.fit(sp.csr_matrix(X), show_progress=False)
    return embeddings(model.user_factors, model.item_factors)


def embeddings(users: Any, items: Any) -> Embeddings:
    """Take another library's factors."""
    vectors = [np.ascontiguousarray(factors, np.float32) for factors in (users, items)]
    return Embeddings(vectors[0], vectors[1], np.zeros(len(items), np.float32))
