"""What a graph is worth for every embedding of a release: recall@100 against the exact scan, the time of both.

    python -m loadtest.ann --store DIR [--artifacts als,bpr] [--threads 2]

For each embedding what is served, and a graph in each space built with the settings of its fit, whose search list
is as long as 98 % of the best hundred take. Through the generators that serve, stored user vectors as queries.
"""

import argparse
import os
from pathlib import Path

import numpy as np

from service import hnsw
from service.artifact import Artifact
from service.cg.knn import DotProductKNN
from service.store import Store
from training import scan_codes
from training.embeddings import Embeddings
from training.index_choice import (
    MIN_RECALL,
    IndexConfig,
    Measured,
    build_graph,
    draw_queries,
    exact_scan,
    measure,
    tune,
)
from training.tables import markdown

Rows = dict[str, dict[str, object]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, default=Path("models_store"))
    parser.add_argument("--artifacts", type=lambda text: text.split(","), help="default: every embedding")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="that build the graphs")
    args = parser.parse_args()
    print(markdown("embedding", rows(Store(args.store), args.artifacts, args.threads)))


def rows(store: Store, names: list[str] | None = None, threads: int = 1) -> Rows:
    """Return what is served of each embedding, and both graphs."""
    artifacts = {name: store.artifact(name, version) for name, version in store.release().artifacts.items()}
    table: Rows = {}
    for name, artifact in artifacts.items():
        if "item_vectors" in artifact.arrays and (names is None or name in names):
            table |= _of(name, artifact, threads)
    return table


def _of(name: str, artifact: Artifact, threads: int) -> Rows:
    arrays = artifact.arrays
    model = Embeddings(arrays["user_vectors"], arrays["item_vectors"], arrays["item_biases"])
    fields = {key: artifact.manifest.config[key] for key in IndexConfig.model_fields if key in artifact.manifest.config}
    config = IndexConfig.model_validate(fields)
    codes = scan_codes.codes_for(model.items, model.users)
    scan, users = exact_scan(model, codes), draw_queries(model, config.seed)
    table: Rows = {
        f"{name}, {len(model.items):,} × {model.items.shape[1]}, as served": _served(artifact, model, scan, users)
    }
    for space in ("ip", "l2"):
        graph = build_graph(model, config, space, threads)
        table[f"{name}, graph in {space}"] = _row(graph, tune(scan, model, graph, users, stop_when_slower=False))
    return table


def _served(
    artifact: Artifact, model: Embeddings, scan: DotProductKNN, users: "np.ndarray[tuple[int], np.dtype[np.int64]]"
) -> dict[str, object]:
    if hnsw.GRAPH_FILE not in artifact.manifest.files:
        return {"space": "exact", "recall@100": 1.0}
    settings = hnsw.Settings.model_validate_json((artifact.path / hnsw.SETTINGS_FILE).read_bytes())
    graph = hnsw.load(artifact.path / hnsw.GRAPH_FILE, model.items, model.item_biases, settings)
    return _row(graph, measure(scan, model, graph, users))


def _row(graph: hnsw.HnswGraph, measured: Measured) -> dict[str, object]:
    return {
        **graph.settings.model_dump(),
        "recall@100": measured.recall,
        "enough": "yes" if measured.recall >= MIN_RECALL else "no",
        "graph, µs": round(1e6 * measured.ann_seconds),
        "exact, µs": round(1e6 * measured.exact_seconds),
        "exact / graph": round(measured.exact_seconds / measured.ann_seconds, 2),
    }


if __name__ == "__main__":
    main()
