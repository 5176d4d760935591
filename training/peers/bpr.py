"""BPR against implicit's: as many triplets, at equal dimensions."""

from collections.abc import Iterator
from functools import cache, partial
from importlib import import_module
from typing import Any

import scipy.sparse as sp
from threadpoolctl import threadpool_limits

from training import bpr
from training.embeddings import Embeddings
from training.pairwise import epoch_size
from training.peers.als import fit_implicit
from training.peers.bench import Bench
from training.peers.contest import THREADS, Contest, Outcome, Outcomes, Row, Side
from training.peers.quiet import quiet

QUICK_SHARE = 10
"""A quick run does one epoch of so many."""
SAMPLER_OF_IMPLICIT = {"negatives": "popularity", "negatives_exponent": 1.0, "skip_false_negatives": True}
Rate = tuple[float, float]
RATES: dict[str, Rate] = {f"{rate:g}": (rate, 0.01) for rate in (0.01, 0.003, 0.001, 0.05)}
"""Learning rate (and regularization, its default) of implicit, among which a validation part decides."""


def contests(bench: Bench) -> Iterator[Contest]:
    """Our preset, and our model with the sampler of implicit, against implicit."""
    X = bench.X("bpr")
    preset, popular = _config(bench), _config(bench, **SAMPLER_OF_IMPLICIT)
    rate = cache(partial(_choose_rate, bench, preset))
    implicit_side = Side(
        lambda model: fit_implicit(model, X),
        lambda: implicit(X, preset, rate()),
        lambda model: _recall(bench, model),
        "implicit",
    )
    yield Contest(
        {"preset": _ours(bench, X, preset), "popular": _ours(bench, X, popular), "implicit": implicit_side},
        [
            Row("BPR / implicit", "preset", "implicit", lambda found: _note(X, preset, found["preset"], found, rate())),
            Row(
                "BPR, sampler of the reference / implicit", "popular", "implicit",
                lambda found: _note(X, popular, found["popular"], found, rate()),
            ),
        ],
    )  # fmt: skip


def _config(bench: Bench, **changes: Any) -> bpr.Config:
    epochs = bench.config("bpr").max_iter
    epochs = max(1, epochs // QUICK_SHARE) if bench.quick else epochs
    config: bpr.Config = bench.config("bpr", num_threads=THREADS, max_iter=epochs, **changes)
    return config


def _choose_rate(bench: Bench, config: bpr.Config) -> Rate:
    def quality(part: Bench, value: Rate) -> dict[str, float]:
        X = part.X("bpr")
        return _recall(part, fit_implicit(implicit(X, config, value), X))

    return bench.choose("learning rate of implicit", RATES, quality)


def _note(X: sp.csr_array, config: bpr.Config, ours: Outcome, outcomes: Outcomes, rate: Rate) -> str:
    triplets = config.max_iter * epoch_size(X)
    speeds = [triplets / outcome.seconds / 1e6 for outcome in (ours, outcomes["implicit"])]
    return (
        f"million triplets/s ours {speeds[0]:.2f}, peer {speeds[1]:.2f}; dim {config.dim}; "
        f"ours {config.negatives} negatives; peer learning rate {rate[0]:g}, regularization {rate[1]:g}"
    )


def _ours(bench: Bench, X: sp.csr_array, config: bpr.Config) -> Side:
    tiny = config.model_copy(update={"max_iter": 1})
    return Side(
        lambda _: bpr.fit(X, config), lambda: bpr.fit(X[:50], tiny), lambda model: _recall(bench, model)
    )  # fmt: skip


def _recall(bench: Bench, model: Embeddings) -> dict[str, float]:
    return bench.recall_of_embeddings("bpr", model)


def implicit(X: sp.csr_array, config: bpr.Config, rate: Rate) -> Any:
    """One dimension there is the bias; an epoch there draws a triplet for each observed cell, whatever its value."""
    with threadpool_limits(1, "blas"), quiet():
        return import_module("implicit.cpu.bpr").BayesianPersonalizedRanking(
            factors=config.dim - 1,
            learning_rate=rate[0],
            regularization=rate[1],
            iterations=round(config.max_iter * epoch_size(X) / X.nnz),
            num_threads=THREADS,
            random_state=config.seed,
            verify_negative_samples=True,
        )
