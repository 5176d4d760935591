"""BPR against implicit's: as many triplets, at equal dimensions."""

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Any

import scipy.sparse as sp
from threadpoolctl import threadpool_limits

from training import bpr
from training.embeddings import Embeddings
from training.pairwise import epoch_size
from training.peers.als import fit_implicit
from training.peers.bench import Bench
from training.peers.contest import THREADS, Contest, Outcomes, Row, Side
from training.peers.quiet import quiet

QUICK_SHARE = 10
"""A quick run does one epoch of so many."""
Rate = tuple[float, float]
RATES: dict[str, Rate] = {f"{rate:g}/{reg:g}": (rate, reg) for rate, reg in ((0.05, 0.01), (0.01, 0.01), (0.05, 0.003))}
"""Learning rate and regularization of implicit, among which a validation part decides."""


def contests(bench: Bench) -> Iterator[Contest]:
    """Our preset, and our model with the sampler of implicit, against implicit."""
    X, epochs = bench.X("bpr"), bench.config("bpr").max_iter
    epochs = max(1, epochs // QUICK_SHARE) if bench.quick else epochs
    preset = bench.config("bpr", num_threads=THREADS, max_iter=epochs)
    popular = bench.config(
        "bpr", num_threads=THREADS, max_iter=epochs, negatives="popularity", negatives_exponent=1.0,
        skip_false_negatives=True,
    )  # fmt: skip

    @cache
    def rate() -> Rate:
        def quality(part: Bench, value: Rate) -> dict[str, float]:
            return _recall(part, fit_implicit(implicit(part.X("bpr"), preset, value), part.X("bpr")))

        return bench.choose("learning rate / regularization of implicit", RATES, quality)

    def note(ours: str, config: bpr.Config, outcomes: Outcomes) -> str:
        speeds = [preset.max_iter * epoch_size(X) / outcomes[name].seconds / 1e6 for name in (ours, "implicit")]
        chosen = "{:g}, regularization {:g}".format(*rate())
        return (
            f"million triplets/s ours {speeds[0]:.2f}, peer {speeds[1]:.2f}; dim {config.dim}; "
            f"ours {config.negatives} negatives; peer learning rate {chosen}"
        )

    yield Contest(
        {
            "ours": _ours(bench, X, preset),
            "ours, popularity": _ours(bench, X, popular),
            "implicit": Side(
                lambda model: fit_implicit(model, X),
                lambda: implicit(X, preset, rate()),
                lambda model: _recall(bench, model),
                "implicit",
            ),
        },
        [
            Row("BPR / implicit", "ours", "implicit", lambda found: note("ours", preset, found)),
            Row(
                "BPR, sampler of the reference / implicit", "ours, popularity", "implicit",
                lambda found: note("ours, popularity", popular, found),
            ),
        ],
    )  # fmt: skip


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
