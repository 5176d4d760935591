"""EASE with only the largest weights of every row: recall against memory."""

from dataclasses import replace

import numpy as np

from service.cg.base import CandidateGenerator, ItemMap
from service.cg.linear import LinearItemToItemCG, sparse_scorer
from training import metrics
from training.evaluation import lists
from training.report.bench import Bench
from training.report.model import Chart, Point, Section, Table, missing
from training.top_weights import keep_largest

KEPT = (10, 30, 100, 300, 1000)
TITLE = "Pruning of EASE"


def pruning(bench: Bench) -> list[Section]:
    """Serve pruned copies of the dense matrix, and evaluate them as they would be served."""
    if "ease" not in bench.versions:
        return [missing(TITLE, "the release has no EASE")]
    artifact = bench.store.artifact("ease", bench.versions["ease"])
    if "weights" not in artifact.arrays:
        lost = artifact.manifest.metrics.get("pruning", {}).get("recall@50 lost", "not measured")
        return [missing(TITLE, f"EASE is stored pruned already (`serve_top_k`); recall@50 lost by it: {lost}")]
    W, weighting = artifact.arrays["weights"], artifact.manifest.config["weighting"]
    rows = bench.release.items.rows_of(artifact.arrays["item_ids"])
    items = ItemMap(rows, len(bench.release.items))
    dense = _recall(bench, bench.release.cgs["ease"])
    table: Table = {"dense": {"MiB": round(W.nbytes / 2**20, 2), **dense}}
    for k in (kept for kept in KEPT if kept < len(W)):
        pruned = keep_largest(np.asarray(W), k)
        indptr, columns = pruned.indptr.astype(np.int64), pruned.indices.astype(np.int32)
        scorer = sparse_scorer(indptr, columns, pruned.data.astype(np.float32))
        size = pruned.data.size * 8 + indptr.nbytes
        cg = LinearItemToItemCG("ease", scorer, items, weighting)
        table[f"{k} largest of a row"] = {"MiB": round(size / 2**20, 2), **_recall(bench, cg)}
    series = {
        metric: [Point(x=row["MiB"], y=row[metric]) for row in reversed(list(table.values()))] for metric in dense
    }
    see = (
        "To the right is the dense matrix; as far as the curves stay level towards the left, memory can be saved for "
        "nothing (`--set serve_top_k=K`)."
    )
    chart = Chart(kind="lines", x_label="MiB of weights", y_label="recall", series=series, log_x=True)
    return [Section(title=TITLE, see=see, table=table, chart=chart)]


def _recall(bench: Bench, cg: CandidateGenerator) -> dict[str, float]:
    exclude_seen = bench.plan.exclude_seen
    release = replace(bench.release, cgs={**bench.release.cgs, "ease": cg})
    test = bench.test(exclude_seen)
    top, of_unit = lists(release, "ease", test, 50, exclude_seen)
    positives = replace(test.positives, list_of_unit=of_unit)
    rank = metrics.ranks(top, positives)
    return {f"recall@{k}": round(float(metrics.recall(rank, positives, k).mean()), 4) for k in (10, 50)}
