"""Small stores for tests: made by hand, through the same functions that a fit uses."""

from pathlib import Path

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from service.ids import IdType
from service.store import Store
from training.artifacts import data_draft, model_draft, weight_arrays
from training.interactions import Interactions, fingerprint

N_USERS, N_ITEMS = 6, 8
CATEGORIES = ("dairy", "bread", None)


def item_id(item: int, ids: IdType = "uint64") -> int | str:
    """Return the id of item row `item`: above 2^63 for uint64, Unicode for strings."""
    return {"int64": item * 10 - 20, "uint64": 2**63 + 10 * item, "string": f"artikel-ü{item}"}[ids]


def user_id(user: int, ids: IdType = "uint64") -> int | str:
    """Return the id of user row `user`."""
    return {"int64": user - 2, "uint64": 2**64 - 10 + user, "string": f"kund{user}"}[ids]


def id_array(values: list[int | str], ids: IdType) -> NDArray[np.generic]:
    """Return ids as they are stored."""
    if ids == "string":
        return np.array([str(value).encode() for value in values])
    return np.array(values, dtype=ids)


def tiny_interactions(ids: IdType = "uint64", seed: int = 0) -> Interactions:
    """Six users, eight items; user 0 has items 0..2, user 5 has nothing."""
    rng = np.random.default_rng(seed)
    taken = rng.random((N_USERS, N_ITEMS)) < 0.4
    taken[0], taken[5] = np.arange(N_ITEMS) < 3, False
    taken[1, :] |= np.arange(N_ITEMS) % 2 == 0
    taken[2, :] |= np.arange(N_ITEMS) % 2 == 1
    rows = sp.csr_array(taken)
    n = rows.nnz
    return Interactions(
        user_ids=id_array([user_id(user, ids) for user in range(N_USERS)], ids),
        item_ids=id_array([item_id(item, ids) for item in range(N_ITEMS)], ids),
        indptr=rows.indptr.astype(np.int64),
        items=rows.indices.astype(np.int32),
        counts=rng.integers(1, 5, n).astype(np.int32),
        last=rng.integers(1_600_000_000, 1_600_500_000, n),
        item_categories=[CATEGORIES[item % 3] for item in range(N_ITEMS)],
        item_names=[f"item {item}" for item in range(N_ITEMS)],
    )


def tiny_store(root: Path, ids: IdType = "uint64", *, exclude_seen: bool = True, seed: int = 0) -> Store:
    """Publish `data`, a dense `ease` and a sparse `slim` (random W), and `personal_top`."""
    interactions = tiny_interactions(ids, seed)
    rng = np.random.default_rng(seed + 1)
    W = rng.normal(size=(N_ITEMS, N_ITEMS)).astype(np.float32)
    np.fill_diagonal(W, 0)
    models = {
        "ease": ("ease", weight_arrays(W), {"weighting": "count"}),
        "slim": ("slim", weight_arrays(sp.csr_array(np.where(W > 0.5, W, 0))), {"weighting": "binary"}),
        "personal_top": ("personal_top", {}, {"weighting": "count", "half_life_days": None}),
    }
    drafts = [data_draft(interactions)]
    drafts += [
        model_draft(
            name,
            algorithm,
            interactions,
            arrays,
            config,
            data_fingerprint=fingerprint(interactions),
            fit_seconds=0.1,
            metrics={},
            files={},
        )
        for name, (algorithm, arrays, config) in models.items()
    ]
    store = Store(root)
    store.publish(drafts, exclude_seen=exclude_seen, default_cg="ease")
    return store
