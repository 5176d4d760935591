"""EASE with only the largest weights of every row: recall against memory."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from numpy.typing import NDArray

from service.cg.base import ItemMap
from service.cg.build import build_cg
from service.registry import Release
from training.artifacts import weight_arrays
from training.pipeline import say
from training.report.bench import EASE, Bench
from training.report.model import Chart, Point, Section, Table, around, missing
from training.top_weights import keep_largest

KEPT = (10, 30, 100, 300, 1000)
METRICS = ("recall@10", "recall@50")
COMPACT = "compact, as served"
TITLE = "Pruning of EASE"
Row = dict[str, float]


def pruning(bench: Bench) -> list[Section]:
    """Serve pruned copies of the dense matrix, and evaluate them as they would be served."""
    rows: dict[int | None, Row] = {
        k: bench.kept.once(f"pruning {k}", partial(_measure, bench, k)) for k in (*KEPT, None) if prunable(bench, k)
    }
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
    series = {metric: _line(rows.values(), metric) for metric in METRICS}
    if "codes" in bench.store.manifest(EASE, bench.versions[EASE]).arrays:
        served: Row = bench.kept.once("pruning compact", partial(_measure_served, bench))
        table[COMPACT] = served
        series |= {f"{metric}, {COMPACT}": _line([served], metric) for metric in METRICS}
        see += (
            f" The compact form that is served takes {served['MiB']:,.1f} MiB and has a recall@50 of "
            f"{served['recall@50']:.4f}, the dense matrix {dense['recall@50']:.4f}."
        )
    chart = Chart(kind="lines", x_label="MiB of weights (logarithmic)", y_label="recall", series=series, log_x=True)
    return [Section(title=TITLE, see=see, table=table, charts=[chart])]


def _line(rows: Iterable[Row], metric: str) -> list[Point]:
    return [around(row["MiB"], row[metric], row[f"± {metric}"]) for row in rows]


def prunable(bench: Bench, k: int | None) -> bool:
    """Whether there are all weights of an EASE, and keeping the k largest of a row saves something."""
    if EASE not in bench.versions:
        return False
    manifest = bench.store.manifest(EASE, bench.versions[EASE])
    n = manifest.arrays["item_ids"].shape[0]
    return not manifest.config["sparse_inv"] and (k is None or 2 * k < n)  # a sparse weight has an index beside it


def _measure(bench: Bench, k: int | None) -> Row:
    """Return MiB and recall with the k largest weights of a row, None: all."""
    say(f"pruning: {k or 'dense'}")
    W = bench.dense_ease
    arrays = weight_arrays(W if k is None else keep_largest(W, k))
    artifact = bench.store.artifact(EASE, bench.versions[EASE])
    items = ItemMap(bench.release.items.rows_of(artifact.arrays["item_ids"]), len(bench.release.items))
    cg = build_cg(EASE, replace(artifact, arrays=arrays), items)
    return _row(arrays, bench, replace(bench.release, cgs={**bench.release.cgs, EASE: cg}))


def _measure_served(bench: Bench) -> Row:
    say("pruning: compact")
    arrays = bench.store.artifact(EASE, bench.versions[EASE]).arrays
    return _row({name: array for name, array in arrays.items() if name != "item_ids"}, bench, bench.release)


def _row(arrays: Mapping[str, NDArray[Any]], bench: Bench, release: Release) -> Row:
    exclude_seen = bench.plan.exclude_seen
    found = bench.find(EASE, bench.test(exclude_seen), 50, exclude_seen, release)
    row: Row = {"MiB": round(sum(array.nbytes for array in arrays.values()) / 2**20, 2)}
    for k in (10, 50):
        row[f"recall@{k}"], row[f"± recall@{k}"] = found.recall(k)
    return row
