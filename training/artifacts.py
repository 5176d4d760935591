"""Drafts of artifacts: what a fit puts on disk, for the data and for each kind of model."""

import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from service.array_types import Floats, Ints
from service.artifact import Draft
from service.catalogue import Texts
from service.compact_kernels import CompactWeights
from service.ids import id_type_of
from service.release_manifest import DATA, now
from training.embeddings import Embeddings
from training.interactions import Interactions, fingerprint
from training.top_weights import narrow

Arrays = dict[str, NDArray[Any]]


def data_draft(interactions: Interactions) -> Draft:
    """Pack histories, popularity, categories and names: the artifact every release has."""
    category_names = sorted({name for name in interactions.item_categories if name is not None})
    code = {name: row for row, name in enumerate(category_names)}
    codes = [-1 if name is None else code[name] for name in interactions.item_categories]
    arrays: Arrays = {
        "user_ids": interactions.user_ids,
        "item_ids": interactions.item_ids,
        "history_indptr": interactions.indptr,
        "history_items": interactions.items,
        "history_counts": interactions.counts,
        "history_last": interactions.last,
        "item_users": np.bincount(interactions.items, minlength=len(interactions.item_ids)).astype(np.int32),
        "item_categories": np.array(codes, np.int32),
        "category_names": np.array([name.encode() for name in category_names] or [b""], "S")[: len(code)],
        **popularity_arrays(interactions.items, interactions.counts, len(interactions.item_ids)),
    }
    if any(name is not None for name in interactions.item_names):
        names = Texts.of(interactions.item_names)
        arrays |= {"item_name_offsets": names.offsets, "item_name_bytes": names.content}
    return _draft(DATA, DATA, interactions, arrays, {})


def model_draft(
    name: str,
    algorithm: str,
    interactions: Interactions,
    arrays: Mapping[str, NDArray[Any]],
    config: Mapping[str, Any],
    *,
    data_fingerprint: str,
    fit_seconds: float,
    metrics: Mapping[str, Any],
    files: Mapping[str, bytes],
) -> Draft:
    """Pack a model fitted on `interactions`, its item ids with it."""
    own: Arrays = {"item_ids": interactions.item_ids, **arrays}
    return _draft(
        name,
        algorithm,
        interactions,
        own,
        config,
        data_fingerprint=data_fingerprint,
        fit_seconds=fit_seconds,
        metrics=metrics,
        files=files,
    )


def popularity_arrays(items: Ints, values: NDArray[Any], n_items: int) -> Arrays:
    """Sum values per item; order the items that have any, most popular first, ties by index."""
    popularity = np.bincount(items, values, minlength=n_items).astype(np.float32)
    order = np.argsort(-popularity, kind="stable").astype(np.int32)
    return {"popularity": popularity, "popular_order": order[: np.count_nonzero(popularity)]}


def weight_arrays(W: Floats | sp.csr_array) -> Arrays:
    """Lay out an item-item matrix, dense or in compressed rows."""
    if isinstance(W, np.ndarray):
        return {"weights": W}
    return {
        "weights_indptr": W.indptr.astype(np.int64),
        "weights_columns": narrow(W.indices, W.shape[1]),
        "weights_values": W.data.astype(np.float32),
    }


def compact_arrays(W: CompactWeights) -> Arrays:
    """Lay out an item-item matrix in its compact form."""
    return {
        "weights_indptr": W.indptr,
        "weights_columns": W.largest_columns,
        "weights_values": W.largest,
        "code_columns": W.columns,
        "codes": W.codes,
        "code_scales": W.scales,
    }


def embedding_arrays(embeddings: Embeddings, user_ids: NDArray[Any]) -> Arrays:
    """Lay out embeddings, the only models with an array over users."""
    return {
        "user_ids": user_ids,
        "user_vectors": embeddings.users,
        "item_vectors": embeddings.items,
        "item_biases": embeddings.item_biases,
    }


def _draft(
    name: str,
    algorithm: str,
    interactions: Interactions,
    arrays: Mapping[str, NDArray[Any]],
    config: Mapping[str, Any],
    **rest: Any,
) -> Draft:
    rest.setdefault("data_fingerprint", fingerprint(interactions))
    return Draft(
        name=name,
        algorithm=algorithm,
        arrays=arrays,
        config=config,
        item_id_type=id_type_of(interactions.item_ids),
        user_id_type=id_type_of(interactions.user_ids),
        created=now(),
        libraries=_libraries(),
        **rest,
    )


def _libraries() -> dict[str, str]:
    names = ("candgen", "numpy", "scipy", "numba", "hnswlib")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}
