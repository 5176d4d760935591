"""SLIM, ALS and BPR on a check-in log of 41,000 items: time and peak memory of each, in a process of its own."""

import multiprocessing
import resource
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from training import als, bpr, slim
from training.embeddings import Embeddings
from training.peers.contest import THREADS
from training.peers.ease_large import QUICK_SIZE, SIZE, Size, check_ins
from training.pipeline import Table, say

FITS: Mapping[str, Any] = {"slim": slim.fit, "als": als.fit, "bpr": bpr.fit}
CONFIGS: Mapping[str, Any] = {
    "slim": slim.Config.model_validate({"alpha": 0.005, "l1_ratio": 1e-6, "num_threads": THREADS}),
    "als": als.Config.model_validate(
        {"dim": 1024, "max_iter": 10, "alpha0": 0.01, "lambd": 0.004, "nu": 1.0, "num_threads": THREADS}
    ),
    "bpr": bpr.Config.model_validate({"dim": 128, "negatives": "uniform", "num_threads": THREADS}),
}
QUICK_CHANGES: Mapping[str, Mapping[str, int]] = {"slim": {}, "als": {"dim": 32}, "bpr": {"max_iter": 2}}


def measure(quick: bool) -> Table:
    """Fit each model once; return wall and processor seconds, and the peak of resident memory."""
    size = QUICK_SIZE if quick else SIZE
    table: Table = {}
    # a process for each fit: the peak of a process never falls
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as pool:
        for name in FITS:
            say(f"  fitting {name}")
            row = pool.submit(fit_once, name, size, quick).result()
            table[f"{name}, {size.users:,} × {size.items:,}, {size.interactions:,} interactions"] = row
    return table


def fit_once(name: str, size: Size, quick: bool) -> dict[str, object]:
    """Fit one model on the log of that size, compiled before, and return its row."""
    config = CONFIGS[name].model_copy(update=QUICK_CHANGES[name] if quick else {})
    X = check_ins(size)
    FITS[name](X[:50, :200], config.model_copy(update={} if name == "slim" else {"dim": 4, "max_iter": 1}))
    wall, processor = time.perf_counter(), time.process_time()
    model = FITS[name](X, config)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    result = f"{config.dim} factors" if isinstance(model, Embeddings) else f"{model.nnz:,} weights"
    return {"fit, s": round(wall, 1), "processor, s": round(processor, 1), "peak RSS, MiB": round(peak), "": result}
