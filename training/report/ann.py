"""The graph against the exact scan, by ef: what a deeper search costs and finds."""

import time
from collections.abc import Sequence
from typing import Any, get_args

import numpy as np

from service import hnsw
from service.array_types import Ints
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
ROUNDS = 5
_CONFIG = IndexConfig.model_validate({"ef": EFS[1], "seed": SEED})
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
            "graph, median µs": round(1e6 * float(np.median(row["ann"])), 1),
            "exact scan, median µs": round(1e6 * float(np.median(row["exact"])), 1),
            "exact / graph": round(_times_as_fast(row).y, 2),
        }
        for name, rows in curves.items()
        for row in rows
    }
    see = (
        f"Share of the exact best {K} that the graph finds: the deeper the search (ef) the more, with 95 % intervals "
        f"over users, in the better of two spaces; a graph is served only where it finds {MIN_RECALL:.2f} or more and "
        f"is faster than the scan. The scan is timed once for all ef, and each search by itself, in {ROUNDS} "
        "rounds over the users: times are medians of the rounds' medians."
    )
    return [Section(title=TITLE, see=see, table=table, charts=_charts(curves))]


def embeddings(bench: Bench) -> list[str]:
    """Return the models of the release that are embeddings; with `--quick` the first one."""
    names = [
        name for name in bench.versions if "item_vectors" in bench.store.manifest(name, bench.versions[name]).arrays
    ]
    return names[:1] if bench.quick else names


def graph_and_scan(bench: Bench, name: str) -> dict[str, Any]:
    """Return for each ef recall and seconds, and the space of the graph."""
    found: dict[str, Any] = bench.kept.once(f"ann {name}", lambda: _measure(bench, name))
    return found


def _charts(curves: dict[str, list[dict[str, Any]]]) -> list[Chart]:
    x_label = "ef, length of the search list (logarithmic)"
    recall = {name: [_recall(row) for row in rows] for name, rows in curves.items()}
    speed = {name: [_times_as_fast(row) for row in rows] for name, rows in curves.items()}
    efs = sorted({row["ef"] for rows in curves.values() for row in rows})
    speed["as fast as the scan"] = [Point(x=ef, y=1) for ef in efs]
    above = (
        "Times as fast as looking at every item (medians): below 1 the exact scan is faster as well as exact; bands "
        f"are the range over {ROUNDS} rounds."
    )
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


def _recall(row: dict[str, Any]) -> Point:
    mean, half = row["recall"], row["half"]
    return Point(x=row["ef"], y=mean, low=mean - half, high=min(1.0, mean + half))


def _times_as_fast(row: dict[str, Any]) -> Point:
    """Return the ratio of the medians; its range: the best round of one by the worst of the other."""
    exact, ann = row["exact"], row["ann"]
    return Point(
        x=row["ef"],
        y=float(np.median(exact) / np.median(ann)),
        low=min(exact) / max(ann),
        high=max(exact) / min(ann),
    )


def _measure(bench: Bench, name: str) -> dict[str, Any]:
    say(f"ann: {name}")
    model = _embeddings(bench, name)
    users = np.flatnonzero(model.users.any(axis=1))
    queries = np.random.default_rng(SEED).permutation(users)[: 50 if bench.quick else _QUERIES]
    graphs = [build_graph(model, _CONFIG, space, threads=1) for space in get_args(hnsw.Space)]
    scan = exact_scan(model)
    graph = max(graphs, key=lambda graph: measure(scan, model, graph, queries).recall)
    return {"efs": graphs_against_scan(model, graph, queries.tolist()), "space": graph.settings.space}


def graph_of(bench: Bench, name: str) -> hnsw.HnswGraph:
    """Build a model's graph in the better space again."""
    return build_graph(_embeddings(bench, name), _CONFIG, graph_and_scan(bench, name)["space"], threads=1)


def _embeddings(bench: Bench, name: str) -> Embeddings:
    arrays = bench.store.artifact(name, bench.versions[name]).arrays
    return Embeddings(arrays["user_vectors"], arrays["item_vectors"], arrays["item_biases"])


def graphs_against_scan(model: Embeddings, graph: hnsw.HnswGraph, queries: Sequence[int]) -> list[dict[str, Any]]:
    """Return for every ef the recall of a graph, and seconds of graph and scan in each round."""
    scan, rows = exact_scan(model, scan_codes.codes_for(model.items, model.users)), []
    best, exact = _ask(scan, queries)
    for ef in (ef for ef in EFS if ef <= len(model.items)):
        graph.set_ef(ef)
        search = ANN(
            "ann", embedding_of(model), graph
        )  # anew: it gives the graph up where ef, as it found it, is passed
        search.warm_up()
        found, seconds = _ask(search, queries)
        recalls = [np.isin(items, own).sum() / max(1, len(items)) for items, own in zip(best, found, strict=True)]
        recall, half = mean_and_half(recalls)
        rows.append({"ef": ef, "recall": recall, "half": half, "exact": exact, "ann": seconds})
    return rows


def _ask(cg: CandidateGenerator, queries: Sequence[int]) -> tuple[list[Ints], list[float]]:
    """Return the best of every query, and the median seconds of a query in each round.

    Nothing else is asked in between: a search that reads other memory would slow it down.
    """
    rounds = []
    for _ in range(ROUNDS):
        found, seconds = [], []
        for user in queries:
            started = time.perf_counter()
            items = cg.rank(Query(user)).top(K).items
            seconds.append(time.perf_counter() - started)
            found.append(items)
        rounds.append(float(np.median(seconds)))
    return found, rounds
