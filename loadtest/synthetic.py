"""Synthetic releases of any size, random numbers in the real file formats: written straight as artifacts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from service import hnsw
from service.artifact import Draft
from service.ids import id_type_of
from service.release_manifest import DATA, now
from service.store import Store
from training import scan_codes
from training.artifacts import popularity_arrays, weight_arrays

DIM = 64
ITEMS_PER_USER = 10
SLIM_ROW = 50
"""Weights in a row of the sparse matrix."""
DENSE_ITEMS = 20_000
"""Most items that a dense matrix is made for: 1.6 GB."""
CLUSTER = 1000
"""Items around one centre."""
EMBEDDINGS = ("als", "bpr")
_ROWS = 1 << 20
"""So many rows of histories are drawn at a time."""
_CONFIGS: dict[str, dict[str, Any]] = {
    "als": {"alpha0": 1.0, "lambd": 0.003, "nu": 1.0, "loss": "ials"},
    "personal_top": {"half_life_days": None},
}


@dataclass(frozen=True)
class Size:
    """How large a release is."""

    items: int
    users: int
    graph: bool = False
    """Whether `ann` is in it: the vectors of `bpr` with an hnsw graph, which takes minutes at a million items."""
    dense: bool = True
    """Whether `ease` is in it."""


def publish(root: Path, size: Size, seed: int = 0) -> Store:
    """Write a release of this size into a store."""
    rng = np.random.default_rng(seed)
    store = Store(root)
    versions = store.add([_data(rng, size)])
    names = ["slim", "personal_top", *EMBEDDINGS, *(["ease"] if size.dense else []), *(["ann"] if size.graph else [])]
    for name in names:  # one after the other: none but the one being written is in memory
        versions |= store.add([_model(name, rng, size)])
    store.publish(artifacts=versions, default_cg="slim", exclude_seen=False)
    return store


def _data(rng: np.random.Generator, size: Size) -> Draft:
    counts = np.full(size.users, min(ITEMS_PER_USER, size.items), np.int64)
    lengths = history_lengths(size)
    counts[: len(lengths)] = lengths
    indptr = np.concatenate([[0], np.cumsum(counts)])
    items = _distinct(rng, counts, size.items)
    order = popularity_arrays(items, np.ones(len(items)), size.items)
    return _draft(
        DATA,
        size,
        {
            "user_ids": np.arange(size.users),
            "history_indptr": indptr,
            "history_items": items,
            "history_counts": np.ones(len(items), np.int32),
            "history_last": np.full(len(items), 1_700_000_000, np.int64),
            "item_users": order["popularity"].astype(np.int32),
            "item_categories": rng.integers(0, 50, size.items, dtype=np.int32),
            "category_names": np.array([f"category {row}".encode() for row in range(50)]),
            **order,
        },
    )


def history_lengths(size: Size) -> Sequence[int]:
    """Return the lengths of the first users' histories; all others have ITEMS_PER_USER items."""
    return [length for length in (0, 10, 100, 1000) if length <= size.items for _ in range(50)][: size.users]


def _distinct(rng: np.random.Generator, counts: NDArray[np.int64], n_items: int) -> NDArray[np.int32]:
    """Draw ascending distinct items for each row: one of each of as many equal parts of the catalogue."""
    blocks = range(0, len(counts), _ROWS)
    return np.concatenate([_distinct_block(rng, counts[start : start + _ROWS], n_items) for start in blocks])


def _distinct_block(rng: np.random.Generator, counts: NDArray[np.int64], n_items: int) -> NDArray[np.int32]:
    place = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    parts = np.repeat(counts, counts)
    first, after = place * n_items // parts, (place + 1) * n_items // parts
    return (first + (rng.random(len(place)) * (after - first)).astype(np.int64)).astype(np.int32)


def _model(name: str, rng: np.random.Generator, size: Size) -> Draft:
    if name in (*EMBEDDINGS, "ann"):
        return _embedding(name, rng, size)
    if name == "ease":
        W = rng.standard_normal((size.items, size.items), np.float32)
        np.fill_diagonal(W, 0)
        return _draft(name, size, weight_arrays(W))
    return _draft(name, size, weight_arrays(_sparse(rng, size.items)) if name == "slim" else {})


def _sparse(rng: np.random.Generator, n: int) -> sp.csr_array:
    row = np.full(n, min(SLIM_ROW, n), np.int64)
    columns = _distinct(rng, row, n)
    values = rng.random(len(columns), np.float32) + np.float32(0.01)
    return sp.csr_array((values, columns, np.concatenate([[0], np.cumsum(row)])), shape=(n, n))


def _embedding(name: str, rng: np.random.Generator, size: Size) -> Draft:
    """Users and items around the same centres; a model without biases, so that a graph has 64 dimensions."""
    centres = rng.standard_normal((max(1, size.items // CLUSTER), DIM), np.float32)

    def around(n: int) -> NDArray[np.float32]:
        vectors = centres[rng.integers(len(centres), size=n)]
        vectors += np.float32(0.5) * rng.standard_normal((n, DIM), np.float32)
        return vectors

    items = around(size.items)
    arrays = {
        "user_ids": np.arange(size.users),
        "user_vectors": around(size.users),
        "item_vectors": items,
        "item_biases": np.zeros(size.items, np.float32),
    }
    if name != "ann" and (codes := scan_codes.codes_for(items, arrays["user_vectors"])):
        arrays |= scan_codes.arrays(codes)
    if name != "als":
        arrays["fold_in_map"] = np.eye(DIM + 1, DIM, dtype=np.float32)
    return _draft(name, size, arrays, _graph(items) if name == "ann" else {})


def _graph(items: NDArray[np.float32]) -> dict[str, bytes]:
    settings = hnsw.Settings(space="l2", M=16, ef_construction=100, ef=450)  # as a fit chooses: recall@100 is .985
    return hnsw.files(hnsw.build(items, np.zeros(len(items), np.float32), settings, seed=0, threads=2))


def _draft(name: str, size: Size, arrays: dict[str, NDArray[Any]], files: dict[str, bytes] | None = None) -> Draft:
    items = np.arange(size.items)
    return Draft(
        name=name,
        algorithm="bpr" if name == "ann" else name,
        arrays={"item_ids": items, **arrays},
        config={"weighting": "binary", **_CONFIGS.get(name, {})},
        item_id_type=id_type_of(items),
        user_id_type="int64",
        data_fingerprint="0" * 64,
        created=now(),
        files=files or {},
    )
