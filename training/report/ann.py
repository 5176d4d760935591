"""The graph against the exact scan, by ef: what a deeper search costs and finds."""

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np

from service import hnsw
from service.cg.ann import ANN
from service.cg.base import CandidateGenerator, Query
from training import scan_codes
from training.embeddings import Embeddings
from training.index_choice import MIN_RECALL, IndexConfig, K, build_graph, embedding_of, exact_scan, measure
from training.pipeline import say
from training.report.bench import SEED, Bench
from training.report.interval import mean_and_half
from training.report.model import Chart, Point, Section, Table, missing

EFS = (128, 256, 512, 1024, 2048, 4096)
"""From the least that a search for a hundred takes."""
_QUERIES = 200
TITLE = "Approximate against exact search"


def ann(bench: Bench) -> list[Section]:
    """Build a graph of each embedding, in the space that suits it better, and double ef."""
    measured = {name: graph_and_scan(bench, name) for name in embeddings(bench)}
    if not measured:
        return [missing(TITLE, "no model of this release is an embedding")]
    curves = {f"{name} ({found['space']})": found["efs"] for name, found in measured.items()}
    table: Table = {
        f"{name}, ef {row['ef']}": {
            f"recall@{K}": round(row["recall"], 4),
            f"± recall@{K}": round(row["half"], 4),
            "graph, median µs": round(1e6 * row["ann"], 1),
            "exact scan, median µs": round(1e6 * row["exact"], 1),
            "exact / graph": round(row["exact"] / row["ann"], 2),
        }
        for name, rows in curves.items()
        for row in rows
    }
    see = (
        f"Share of the exact best {K} that the graph finds: the deeper the search (ef) the more, with 95 % intervals "
        f"over users, in the better of two spaces; a graph is served only where it finds {MIN_RECALL:.2f} or more and "
        "is faster than the scan."
    )
    return [Section(title=TITLE, see=see, table=table, charts=_charts(curves))]


def embeddings(bench: Bench) -> list[str]:
    """Return the models of the release that are embeddings; with `--quick` the first one."""
    names = [
        name for name in bench.versions if "item_vectors" in bench.store.manifest(name, bench.versions[name]).arrays
    ]
    return names[:1] if bench.quick else names


def graph_and_scan(bench: Bench, name: str) -> dict[str, Any]:
    """Return for each ef recall and seconds, and the size of the graph."""
    found: dict[str, Any] = bench.kept.once(f"ann {name}", lambda: _measure(bench, name))
    return found


def _charts(curves: dict[str, list[dict[str, float]]]) -> list[Chart]:
    x_label = "ef, length of the search list (logarithmic)"
    recall = {name: [_recall(row) for row in rows] for name, rows in curves.items()}
    speed = {name: [Point(x=row["ef"], y=row["exact"] / row["ann"]) for row in rows] for name, rows in curves.items()}
    above = "Times as fast as looking at every item (medians): below 1 the exact scan is faster as well as exact."
    return [
        Chart(kind="lines", x_label=x_label, y_label=f"recall@{K} of the exact list", series=recall, log_x=True),
        Chart(
            kind="lines",
            x_label=x_label,
            y_label="time of the exact scan / time of the graph (logarithmic)",
            series=speed,
            log_x=True,
            log_y=True,
            see=above,
        ),
    ]


def _recall(row: dict[str, float]) -> Point:
    mean, half = row["recall"], row["half"]
    return Point(x=row["ef"], y=mean, low=mean - half, high=min(1.0, mean + half))


def _measure(bench: Bench, name: str) -> dict[str, Any]:
    say(f"ann: {name}")
    arrays = bench.store.artifact(name, bench.versions[name]).arrays
    model = Embeddings(arrays["user_vectors"], arrays["item_vectors"], arrays["item_biases"])
    config = IndexConfig.model_validate({"ef": EFS[1], "seed": SEED})
    users = np.flatnonzero(model.users.any(axis=1))
    queries = np.random.default_rng(SEED).permutation(users)[: 50 if bench.quick else _QUERIES]
    graphs = [build_graph(model, config, space, threads=1) for space in get_args(hnsw.Space)]
    scan = exact_scan(model)
    graph = max(graphs, key=lambda graph: measure(scan, model, graph, queries).recall)
    return {
        "efs": graphs_against_scan(model, graph, queries.tolist()),
        "graph MiB": _size(graph.save),
        "space": graph.settings.space,
    }


def graphs_against_scan(model: Embeddings, graph: hnsw.HnswGraph, queries: Sequence[int]) -> list[dict[str, float]]:
    """Return recall and seconds of a graph at every ef."""
    scan, rows = exact_scan(model, scan_codes.codes_for(model.items)), []
    for ef in (ef for ef in EFS if ef <= len(model.items)):
        graph.set_ef(ef)
        search = ANN(
            "ann", embedding_of(model), graph
        )  # anew: it gives the graph up where ef, as it found it, is passed
        search.warm_up()
        rows.append({"ef": ef} | _compare(scan, search, queries))
    return rows


def _compare(scan: CandidateGenerator, search: CandidateGenerator, queries: Sequence[int]) -> dict[str, float]:
    """Ask both in turn."""
    times: dict[str, list[float]] = {"exact": [], "ann": []}
    recalls = []
    for user in queries:
        items = {}
        for name, cg in (("exact", scan), ("ann", search)):
            started = time.perf_counter()
            items[name] = cg.rank(Query(user)).top(K).items
            times[name].append(time.perf_counter() - started)
        recalls.append(np.isin(items["exact"], items["ann"]).sum() / max(1, len(items["exact"])))
    recall, half = mean_and_half(recalls)
    return {"recall": recall, "half": half} | {name: float(np.median(values)) for name, values in times.items()}


def _size(save: Callable[[Path], None]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / hnsw.GRAPH_FILE
        save(path)
        return round(path.stat().st_size / 2**20, 2)
