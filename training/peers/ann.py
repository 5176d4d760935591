"""Our ANN object against the raw call of hnswlib on the same graph, one query at a time."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import hnswlib
import numpy as np

from service import hnsw
from service.cg.ann import ANN
from service.cg.base import ItemMap, Query
from service.cg.embedding import Embedding
from service.ids import IdIndex
from training import als
from training.embeddings import Embeddings
from training.peers.bench import Bench
from training.peers.contest import THREADS, Contest, Outcomes, Row, Side

K, USERS, QUICK_USERS = 100, 5000, 500


def contests(bench: Bench) -> Iterator[Contest]:
    """The vectors are those of ALS; the best hundred items for its users in turn."""
    changes = {"dim": 32, "max_iter": 2} if bench.quick else {}
    index = bench.config("als", num_threads=THREADS, **changes)
    model = als.fit(bench.X("als"), index)
    settings = hnsw.Settings(space="ip", M=index.M, ef_construction=index.ef_construction, ef=index.ef)
    graph = hnsw.build(model.items, model.item_biases, settings, seed=0, threads=THREADS)
    ours, peer = ANN("ann", _embedding(model), graph), _raw(graph, model.items.shape[1])
    ours.warm_up()
    depth = min(K, len(model.items))
    known = np.flatnonzero(model.users.any(axis=1))
    users = np.resize(known, QUICK_USERS if bench.quick else USERS).tolist()

    def note(outcomes: Outcomes) -> str:
        micro = [1e6 * outcomes[name].seconds / len(users) for name in ("ours", "hnswlib")]
        times = f"µs per query ours {micro[0]:.0f}, peer {micro[1]:.0f}"
        return f"{times}; {len(model.items):,} × {model.items.shape[1]}, k {depth}, ef {index.ef}, one thread"

    def ask_ours(_: object) -> None:
        for user in users:
            ours.rank(Query(user)).top(depth)

    def ask_peer(_: object) -> None:
        for user in users:
            peer.knn_query(model.users[user], k=depth, num_threads=1)

    sides = {"ours": Side(ask_ours), "hnswlib": Side(ask_peer)}
    yield Contest(sides, [Row("ANN / hnswlib", "ours", "hnswlib", note)])


def _embedding(model: Embeddings) -> Embedding:
    return Embedding(
        items=ItemMap(None, len(model.items)),
        users=IdIndex(np.arange(len(model.users))),
        item_vectors=model.items,
        item_biases=model.item_biases,
        user_vectors=model.users,
        fold_in=lambda items, _: model.items[items[0]],
        weighting="binary",
    )


def _raw(graph: hnsw.HnswGraph, dim: int) -> hnswlib.Index:
    """Load the same graph by hnswlib itself."""
    index = hnswlib.Index(graph.settings.space, dim)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / hnsw.GRAPH_FILE
        graph.save(path)
        index.load_index(str(path))
    index.set_ef(graph.ef)
    return index
