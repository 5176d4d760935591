"""The choice of the index at a million clustered vectors: a graph against the exact scan."""

import time

import numpy as np
from numpy.typing import NDArray

from training.embeddings import Embeddings
from training.index_choice import IndexConfig, choose_index
from training.peers.contest import THREADS
from training.pipeline import Table, say

ITEMS, QUICK_ITEMS = 1_000_000, 20_000
DIM = 64
USERS = 1000
EF_CONSTRUCTION = 100
"""Half of the default, to be done in minutes."""
ITEMS_PER_CLUSTER = 1000
WITHIN = 0.5
"""Standard deviation of a vector around its centre, whose own is 1."""


def measure(quick: bool) -> Table:
    """Let the index be chosen as in a fit, and return what was measured on the way."""
    model = clustered(QUICK_ITEMS if quick else ITEMS)
    say(f"  choosing the index of {len(model.items):,} × {DIM} vectors")
    started = time.perf_counter()
    choice = choose_index(
        model, IndexConfig.model_validate({"index_threads": THREADS, "ef_construction": EF_CONSTRUCTION})
    )
    seconds = time.perf_counter() - started
    measured = choice.metrics
    return {
        f"{len(model.items):,} × {DIM}, clustered": {
            "chosen": choice.kind,
            **{name: measured[name] for name in ("space", "M", "ef_construction", "ef", "measured_items")},
            "recall@100": measured["recall@100"],
            "graph, ms": round(1e3 * measured["ann_seconds"], 3),
            "exact, ms": round(1e3 * measured["exact_seconds"], 3),
            "exact / graph": round(measured["exact_seconds"] / measured["ann_seconds"], 2),
            "building and choosing, s": round(seconds, 1),
        }
    }


def clustered(n_items: int, seed: int = 0) -> Embeddings:
    """Users and items around the same Gaussian centres."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((max(1, n_items // ITEMS_PER_CLUSTER), DIM), np.float32)

    def around(n: int) -> NDArray[np.float32]:
        vectors = centres[rng.integers(len(centres), size=n)]
        vectors += np.float32(WITHIN) * rng.standard_normal((n, DIM), np.float32)
        return vectors

    return Embeddings(around(USERS), around(n_items), np.zeros(n_items, np.float32))
