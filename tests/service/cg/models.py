"""One small instance of every candidate generator, full of ties, over all or some of a release's items."""

from dataclasses import replace

import numpy as np
from scipy.sparse import csr_array

from service import hnsw
from service.cg.ann import ANN
from service.cg.base import CandidateGenerator, Filters, ItemMap, Query
from service.cg.embedding import Embedding
from service.cg.knn import DotProductKNN
from service.cg.linear import LinearItemToItemCG
from service.cg.popular import PersonalTop, Popular
from service.cg.scan import CodedVectors
from service.history import History
from service.ids import IdIndex
from service.linear_kernels import DenseWeights, SparseWeights
from training.compact import compress
from training.scan_codes import encode

N_RELEASE, N_USERS, DIM = 40, 5, 4
GENERATORS = ("dense", "sparse", "compact", "popular", "personal_top", "knn", "coded", "ann", "ann_l2")
PERSONAL = tuple(name for name in GENERATORS if name != "popular")
SIMILAR = ("dense", "sparse", "compact", "knn", "ann")


def item_map(partial: bool) -> ItemMap:
    """Every item of the release, or about two thirds of them."""
    if not partial:
        return ItemMap(None, N_RELEASE)
    known = np.flatnonzero(np.random.default_rng(9).random(N_RELEASE) < 0.65)
    return ItemMap(known.astype(np.int32), N_RELEASE)


def embedding(items: ItemMap, seed: int = 0) -> Embedding:
    """Vectors and biases of small integers, so that scores tie; the fold-in sums item vectors."""
    rng = np.random.default_rng(seed)
    vectors = rng.integers(-2, 3, (len(items), DIM)).astype(np.float32)
    users = rng.integers(-2, 3, (N_USERS, DIM)).astype(np.float32)
    users[:, 0] = 1
    return Embedding(
        items=items,
        users=IdIndex(np.arange(N_USERS)),
        item_vectors=vectors,
        item_biases=rng.integers(-1, 2, len(items)).astype(np.float32),
        user_vectors=users,
        fold_in=lambda history, weights: weights @ vectors[history],
        weighting="count",
    )


def graph(model: Embedding, space: hnsw.Space = "ip", ef: int = 64, M: int = 16) -> hnsw.HnswGraph:
    """A graph that finds everything, unless it is asked not to."""
    settings = hnsw.Settings(space=space, M=M, ef_construction=max(ef, M), ef=ef)
    return hnsw.build(model.item_vectors, model.item_biases, settings, seed=1)


def make(name: str, partial: bool) -> CandidateGenerator:
    """Make a generator by its name in GENERATORS."""
    items = item_map(partial)
    rng = np.random.default_rng(1)
    n = len(items)
    if name in ("dense", "sparse", "compact"):
        W = (rng.integers(-1, 4, (n, n)) * (rng.random((n, n)) < 0.4)).astype(np.float32)
        rows = csr_array(W)
        sparse = SparseWeights(rows.indptr.astype(np.int64), rows.indices.astype(np.int32), rows.data, n)
        known = np.ones((5, n), np.float32)
        compact = compress(W, csr_array(known), k=3, n_columns=n // 2, seed=0)
        weights = {"dense": DenseWeights(W), "sparse": sparse, "compact": compact}
        return LinearItemToItemCG(name, weights[name], items, "count")
    if name == "popular":
        scores = np.zeros(N_RELEASE, np.float32)
        scores[items.release_items(np.arange(n, dtype=np.int32))] = rng.integers(1, 9, n)
        order = np.argsort(-scores, kind="stable").astype(np.int32)
        return Popular(name, order[:n], scores)
    if name == "personal_top":
        return PersonalTop(name, items, "count", 30.0)
    model = embedding(items)
    if name == "knn":
        return DotProductKNN(name, model)
    if name == "coded":
        codes = CodedVectors(model.item_vectors, model.item_biases, encode(model.item_vectors), max_share=1)
        return DotProductKNN(name, replace(model, coded=codes))
    return ANN(name, model, graph(model, "l2" if name == "ann_l2" else "ip"))


def random_query(seed: int) -> Query:
    """A user known or not, a history given or stored, and some filters of every kind."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, N_RELEASE))
    seen = np.sort(rng.choice(N_RELEASE, size, replace=False)).astype(np.int32)
    history = History(seen, rng.integers(1, 4, size).astype(np.int32), rng.integers(0, 5, size) * 86_400)
    excluded = np.flatnonzero(rng.random(N_RELEASE) < rng.choice([0, 0.3, 0.9])).astype(np.int32)
    allowed = rng.random(N_RELEASE) < rng.choice([0.1, 0.6])
    return Query(
        user=int(rng.integers(0, 2 * N_USERS)),
        history=history,
        history_given=bool(rng.random() < 0.5),
        filters=Filters(excluded, allowed if rng.random() < 0.5 else allowed[:0]),
    )
