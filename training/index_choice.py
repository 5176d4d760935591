"""How an embedding is served: by an exact scan or by a graph, measured on that very embedding.

The measurement goes through the generators that serve, with stored user vectors as queries.
recall@100 is the share of the exact best hundred that the graph finds.
"""

import os
import time
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from service import hnsw
from service.array_types import Longs
from service.cg.ann import ANN
from service.cg.base import ItemMap, Query
from service.cg.embedding import Embedding
from service.cg.knn import DotProductKNN
from service.cg.scan import CodedVectors
from service.ids import IdIndex
from service.scan_estimates import ScanCodes
from training import scan_codes
from training.config import FitConfig
from training.embeddings import Embeddings

Kind = Literal["hnsw", "exact"]
K = 100
MIN_RECALL = 0.98
MAX_QUERIES = 200
HALVINGS = 3
"""How often the span is halved in which the least ef that is enough must be, once doubling has found one."""
PILOT_MARGIN = 1.5
"""How much faster than the scan of all items a search of the pilot must be: a larger graph is slower."""
PILOT_ITEMS, PILOT_QUERIES, PILOT_DEPTH = 5_000, 20, 250
"""A graph over so few items is quick to build: the best of some queries, and others at random up to that number.

So items lie as close to one another as in the whole where queries look, which a random sample thins out. At a
million vectors in clusters of a thousand, the sample has the better recall by inner product (.99 against .95 at
ef 200), the lists (.91 against 1.00) and the whole graph (.92 at best) by distance; `benchmark --peers ann-large`.
"""


class IndexConfig(FitConfig):
    """How the fitted vectors are searched when they serve."""

    index: Literal["auto", "hnsw", "exact"] = "auto"
    """Search a graph, scan all items, or whichever is faster at a recall@100 of 0.98 or more."""
    M: int = Field(16, ge=2, le=256)
    """Links of an item in the graph, on each level."""
    ef_construction: int = Field(200, ge=1, le=10_000)
    """Length of the search list while the graph is built."""
    ef: int = Field(200, ge=1, le=100_000)
    """Length of the search list when it serves; raised as far as a recall@100 of 0.98 takes."""
    index_threads: int = Field(1, ge=1, le=1024)
    """Threads that build the graph; with more than one, the same seed no longer gives the same graph."""


class IndexChoice(NamedTuple):
    """What serves, and why."""

    kind: Kind
    files: dict[str, bytes]
    """Files of the artifact; none for an exact scan."""
    arrays: dict[str, NDArray[Any]]
    """Arrays of the artifact; only for an exact scan, where codes make it faster."""
    metrics: dict[str, Any]
    """For the manifest, under "index"; seconds are for one query."""


class Measured(NamedTuple):
    """Of queries for the best hundred: mean recall, and the median time of one."""

    recall: float
    ann_seconds: float
    exact_seconds: float

    @property
    def good(self) -> bool:
        """Whether the graph should serve."""
        return self.recall >= MIN_RECALL and self.ann_seconds < self.exact_seconds


def choose_index(embeddings: Embeddings, config: IndexConfig) -> IndexChoice:
    """Build a graph if it may be of use, measure it against the exact scan, and choose.

    A pilot over a part of the items chooses the space, and with index=auto is the end of it if the
    scan of all items is not much slower than a good search of that part. The graph that serves is
    built on `config.index_threads`: by one it depends on its input and `config.seed` alone.
    """
    queries = draw_queries(embeddings, config.seed)
    codes = scan_codes.codes_for(embeddings.items, embeddings.users)
    arrays = scan_codes.arrays(codes) if codes else {}
    if config.index == "exact" or not len(embeddings.items) or not len(queries):
        return IndexChoice("exact", {}, arrays, {"kind": "exact"})
    auto, scan = config.index == "auto", exact_scan(embeddings, codes)
    items = _pilot(embeddings, scan, queries[:PILOT_QUERIES], config.seed)
    asked = queries if items is embeddings else queries[:PILOT_QUERIES]
    threads = config.index_threads if items is embeddings else os.cpu_count() or 1
    graphs = [build_graph(items, config, space, threads) for space in get_args(hnsw.Space)]
    recalls = [measure(scan, items, graph, asked).recall for graph in graphs]
    graph = graphs[int(np.argmax(recalls))]
    measured = tune(scan, items, graph, asked, stop_when_slower=auto)
    promising = measured.good and PILOT_MARGIN * measured.ann_seconds < measured.exact_seconds
    if items is not embeddings and (promising or not auto):
        items = embeddings
        larger = config.model_copy(update={"ef": graph.ef})
        graph = build_graph(items, larger, graph.settings.space, config.index_threads)
        measured = tune(scan, items, graph, queries, stop_when_slower=auto)
    kind: Kind = "hnsw" if (measured.good and items is embeddings) or not auto else "exact"
    metrics = _metrics(kind, items, graph, measured)
    if kind == "exact":
        return IndexChoice(kind, {}, arrays, metrics)
    return IndexChoice(kind, hnsw.files(graph), {}, metrics)


def measure(scan: DotProductKNN, items: Embeddings, graph: hnsw.HnswGraph, queries: Longs) -> Measured:
    """Ask the graph of `items` and the scan of all items in turn; recall is of the best of `items`."""
    exact, ann = exact_scan(items), ANN("ann", embedding_of(items), graph)
    times: dict[str, list[float]] = {"scan": [], "ann": []}
    recalls = []
    ann.warm_up()
    for user in queries.tolist():
        found = {}
        for name, cg in (("scan", scan), ("ann", ann)):
            started = time.perf_counter()
            found[name] = cg.rank(Query(user)).top(K).items
            times[name].append(time.perf_counter() - started)
        best = exact.rank(Query(user)).top(K).items
        recalls.append(np.isin(best, found["ann"]).sum() / max(1, len(best)))
    return Measured(float(np.mean(recalls)), float(np.median(times["ann"])), float(np.median(times["scan"])))


def draw_queries(embeddings: Embeddings, seed: int) -> Longs:
    """Draw users that have a vector."""
    users = np.flatnonzero(embeddings.users.any(axis=1))
    return np.random.default_rng(seed).permutation(users)[:MAX_QUERIES]


def _pilot(embeddings: Embeddings, scan: DotProductKNN, queries: Longs, seed: int) -> Embeddings:
    """Return the part of the items that is tried first; all of them, the very same object, if there are few."""
    n = len(embeddings.items)
    if n <= PILOT_ITEMS:
        return embeddings
    best = np.unique(np.concatenate([scan.rank(Query(user)).top(PILOT_DEPTH).items for user in queries.tolist()]))
    others = np.setdiff1d(np.random.default_rng(seed).permutation(n)[:PILOT_ITEMS], best, assume_unique=True)
    rows = np.sort(np.concatenate([best, others])[:PILOT_ITEMS])
    return embeddings._replace(items=embeddings.items[rows], item_biases=embeddings.item_biases[rows])


def build_graph(items: Embeddings, config: IndexConfig, space: hnsw.Space, threads: int) -> hnsw.HnswGraph:
    """Build the graph of these items in a space, searched as the config says."""
    settings = hnsw.Settings(space=space, M=config.M, ef_construction=config.ef_construction, ef=config.ef)
    return hnsw.build(items.items, items.item_biases, settings, seed=config.seed, threads=threads)


def tune(
    scan: DotProductKNN,
    items: Embeddings,
    graph: hnsw.HnswGraph,
    queries: Longs,
    *,
    stop_when_slower: bool,
) -> Measured:
    """Find an ef that is enough for the recall and hardly more than that, or in vain where the exact scan is faster."""
    short, measured = 0, measure(scan, items, graph, queries)
    while measured.recall < MIN_RECALL and graph.ef < len(graph):
        if stop_when_slower and measured.ann_seconds >= measured.exact_seconds:
            return measured
        short = graph.ef
        graph.set_ef(2 * short)
        measured = measure(scan, items, graph, queries)
    for _ in range(HALVINGS if short and measured.recall >= MIN_RECALL else 0):
        enough = graph.ef
        graph.set_ef((short + enough) // 2)
        shorter = measure(scan, items, graph, queries)
        if shorter.recall >= MIN_RECALL:
            measured = shorter
        else:
            short = graph.ef
            graph.set_ef(enough)
    return measured


def embedding_of(items: Embeddings, codes: ScanCodes | None = None) -> Embedding:
    """Return trained vectors as they would be served; no user is known by an id."""
    return Embedding(
        items=ItemMap(None, len(items.items)),
        users=IdIndex(np.arange(len(items.users))),
        item_vectors=items.items,
        item_biases=items.item_biases,
        user_vectors=items.users,
        fold_in=lambda history, _: items.items[history[0]],
        weighting="binary",
        coded=CodedVectors(items.items, items.item_biases, codes) if codes else None,
    )


def exact_scan(items: Embeddings, codes: ScanCodes | None = None) -> DotProductKNN:
    """Return the generator that ranks all items, ready to be timed."""
    exact = DotProductKNN("exact", embedding_of(items, codes))
    exact.warm_up()
    return exact


def _metrics(kind: Kind, items: Embeddings, graph: hnsw.HnswGraph, measured: Measured) -> dict[str, Any]:
    return {
        "kind": kind,
        "measured_items": len(items.items),
        **graph.settings.model_dump(),
        "recall@100": round(measured.recall, 4),
        "ann_seconds": round(measured.ann_seconds, 7),
        "exact_seconds": round(measured.exact_seconds, 7),
    }
