"""The graph against the exact scan, by ef: what a deeper search costs and finds."""

import numpy as np

from service import hnsw
from training.embeddings import Embeddings
from training.index_choice import IndexConfig, K, exact_scan, measure
from training.report.bench import SEED, Bench
from training.report.model import Chart, Point, Section, Table, missing

EFS = (16, 32, 64, 128, 256, 512, 1024)
_QUERIES = 200
TITLE = "Approximate against exact search"


def ann(bench: Bench) -> list[Section]:
    """Build a graph of each embedding and double ef."""
    table: Table = {}
    series: dict[str, list[Point]] = {}
    for name in _embeddings(bench):
        for ef, (recall, ratio, microseconds) in _curve(bench, name).items():
            table[f"{name}, ef {ef}"] = {
                f"recall@{K}": round(recall, 4),
                "median, µs": microseconds,
                "exact / ann": ratio,
            }
            series.setdefault(name, []).append(Point(x=recall, y=ratio))
    if not series:
        return [missing(TITLE, "no model of this release is an embedding")]
    see = (
        "Each curve goes with growing ef from fast and rough to slow and exact; above 1 the graph is faster than "
        "looking at every item, which decides what `index=auto` serves."
    )
    chart = Chart(kind="lines", x_label=f"recall@{K} of the exact list", y_label="exact time / ANN time", series=series)
    return [Section(title=TITLE, see=see, table=table, chart=chart)]


def _embeddings(bench: Bench) -> list[str]:
    names = [
        name for name in bench.versions if "item_vectors" in bench.store.manifest(name, bench.versions[name]).arrays
    ]
    return names[:1] if bench.quick else names


def _curve(bench: Bench, name: str) -> dict[int, tuple[float, float, float]]:
    """Return ef → recall, speed against the scan, median microseconds."""
    arrays = bench.store.artifact(name, bench.versions[name]).arrays
    model = Embeddings(arrays["user_vectors"], arrays["item_vectors"], arrays["item_biases"])
    scan = exact_scan(model)
    config = IndexConfig.model_validate({})
    settings = hnsw.Settings(space="ip", M=config.M, ef_construction=config.ef_construction, ef=EFS[0])
    graph = hnsw.build(model.items, model.item_biases, settings, seed=SEED)
    users = np.flatnonzero(model.users.any(axis=1))
    queries = np.random.default_rng(SEED).permutation(users)[: 50 if bench.quick else _QUERIES]
    found = {}
    for ef in EFS:
        if ef <= len(model.items):
            graph.set_ef(ef)
            measured = measure(scan, model, graph, queries)
            ratio = measured.exact_seconds / measured.ann_seconds
            found[ef] = (measured.recall, round(ratio, 2), round(1e6 * measured.ann_seconds, 1))
    return found
