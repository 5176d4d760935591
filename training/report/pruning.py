"""EASE with only the largest weights of every row: recall against memory."""

from dataclasses import replace
from typing import Any

import numpy as np

from service.cg.base import ItemMap
from service.cg.linear import LinearItemToItemCG, dense_scorer, sparse_scorer
from training.pipeline import say
from training.report.bench import EASE, Bench
from training.report.model import Chart, Section, Table, around, missing
from training.top_weights import keep_largest

KEPT = (10, 30, 100, 300, 1000)
TITLE = "Pruning of EASE"
Row = dict[str, float]


def pruning(bench: Bench) -> list[Section]:
    """Serve pruned copies of the dense matrix, and evaluate them as they would be served."""
    rows = {k: row for k in (*KEPT, None) if (row := pruned_to(bench, k))}
    if not rows:
        return [missing(TITLE, "the release has no EASE, or one from a sparse inverse")]
    dense = rows[None]
    table: Table = {"dense" if k is None else f"{k} largest of a row": row for k, row in reversed(rows.items())}
    good = [k for k, row in rows.items() if row["recall@50"] >= dense["recall@50"] - dense["± recall@50"]]
    small = rows[good[0]]
    see = (
        f"To the right is the dense matrix, {dense['MiB']:,.1f} MiB; down to {small['MiB']:,.1f} MiB "
        f"({'all weights' if good[0] is None else f'`--set serve_top_k={good[0]}`'}) recall@50 stays within the 95 % "
        "interval of the dense one; bands are 95 % intervals over users."
    )
    series = {
        metric: [around(row["MiB"], row[metric], row[f"± {metric}"]) for row in rows.values()]
        for metric in ("recall@10", "recall@50")
    }
    chart = Chart(kind="lines", x_label="MiB of weights (logarithmic)", y_label="recall", series=series, log_x=True)
    return [Section(title=TITLE, see=see, table=table, charts=[chart])]


def pruned_to(bench: Bench, k: int | None) -> Row | None:
    """Return MiB and recall with the k largest weights of a row, None: all; nothing where they cannot be had."""
    if EASE not in bench.versions:
        return None
    manifest = bench.store.manifest(EASE, bench.versions[EASE])
    n = manifest.arrays["item_ids"].shape[0]
    if manifest.config["sparse_inv"] or (k is not None and 2 * k >= n):  # a sparse weight has an index beside it
        return None
    row: Row = bench.kept.once(f"pruning {k}", lambda: _measure(bench, k))
    return row


def _measure(bench: Bench, k: int | None) -> Row:
    say(f"pruning: {k or 'dense'}")
    W = bench.dense_ease
    scorer, size = dense_scorer(W), W.nbytes
    if k is not None:
        pruned = keep_largest(W, k)
        indptr, columns = pruned.indptr.astype(np.int64), pruned.indices.astype(np.int32)
        scorer = sparse_scorer(indptr, columns, pruned.data.astype(np.float32))
        size = pruned.data.size * 8 + indptr.nbytes
    artifact = bench.store.artifact(EASE, bench.versions[EASE])
    items = ItemMap(bench.release.items.rows_of(artifact.arrays["item_ids"]), len(bench.release.items))
    cg = LinearItemToItemCG(EASE, scorer, items, artifact.manifest.config["weighting"])
    return {"MiB": round(size / 2**20, 2)} | _recall(bench, cg)


def _recall(bench: Bench, cg: Any) -> Row:
    exclude_seen = bench.plan.exclude_seen
    release = replace(bench.release, cgs={**bench.release.cgs, EASE: cg})
    found = bench.find(EASE, bench.test(exclude_seen), 50, exclude_seen, release)
    row: Row = {}
    for k in (10, 50):
        row[f"recall@{k}"], row[f"± recall@{k}"] = found.recall(k)
    return row
