"""From the artifact of an embedding to the generator that serves it: ANN if it has a graph, else exact."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from service import hnsw
from service.array_types import Floats
from service.artifact import Artifact
from service.cg.ann import ANN
from service.cg.arrays import array
from service.cg.base import ItemMap
from service.cg.embedding import Embedding, FoldIn
from service.cg.fold_in_als import fold_in as fold_in_als
from service.cg.fold_in_als import gram_basis
from service.cg.fold_in_bpr import fold_in as fold_in_bpr
from service.cg.knn import DotProductKNN
from service.cg.scan import CodedVectors
from service.errors import ArtifactError
from service.ids import IdIndex
from service.nibbles import BYTES, LANES, NUMBERS
from service.scan_estimates import ScanCodes

MakeFoldIn = Callable[[Artifact], FoldIn]
"""Takes an artifact whose arrays fit together."""


def als(name: str, artifact: Artifact, items: ItemMap) -> ANN | DotProductKNN:
    """Build the generator of ALS, which folds in by the closed form of its own objective."""
    return _generator(name, artifact, items, _als_fold_in)


def bpr(name: str, artifact: Artifact, items: ItemMap) -> ANN | DotProductKNN:
    """Build the generator of BPR and AdaptiveBPR, which fold in by a map learnt in training."""
    return _generator(name, artifact, items, _bpr_fold_in)


def _als_fold_in(artifact: Artifact) -> FoldIn:
    vectors, config = artifact.arrays["item_vectors"], artifact.manifest.config
    settings = {key: config[key] for key in ("alpha0", "lambd", "nu", "loss")}
    basis = gram_basis(vectors)
    return lambda items, weights: fold_in_als(vectors, basis, items, weights, **settings)


def _bpr_fold_in(artifact: Artifact) -> FoldIn:
    vectors, fold_in_map = artifact.arrays["item_vectors"], array(artifact, "fold_in_map")
    dim = vectors.shape[1]
    _check_shape(artifact.manifest.name, "fold_in_map", fold_in_map, (dim + 1, dim))
    return lambda items, weights: fold_in_bpr(vectors, fold_in_map, items, weights)


def _generator(name: str, artifact: Artifact, items: ItemMap, make_fold_in: MakeFoldIn) -> ANN | DotProductKNN:
    embedding = _embedding(name, artifact, items, make_fold_in)
    if hnsw.GRAPH_FILE not in artifact.manifest.files:
        return DotProductKNN(name, embedding)
    path = artifact.path / hnsw.SETTINGS_FILE
    try:
        settings = hnsw.Settings.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise ArtifactError(f"{path}: not the settings of a graph ({reason}); fit the model again") from error
    graph = hnsw.load(artifact.path / hnsw.GRAPH_FILE, embedding.item_vectors, embedding.item_biases, settings)
    return ANN(name, embedding, graph)


def _embedding(name: str, artifact: Artifact, items: ItemMap, make_fold_in: MakeFoldIn) -> Embedding:
    user_ids = array(artifact, "user_ids")
    item_vectors, user_vectors = array(artifact, "item_vectors"), array(artifact, "user_vectors")
    biases = array(artifact, "item_biases")
    dim = (item_vectors.shape[1] if item_vectors.ndim == 2 else 0) or -1
    _check_shape(name, "item_vectors", item_vectors, (len(items), dim))
    _check_shape(name, "user_vectors", user_vectors, (len(user_ids), dim))
    _check_shape(name, "item_biases", biases, (len(items),))
    longest = max(_largest(item_vectors), _largest(user_vectors))
    bound = _largest(item_vectors) * longest * max(dim, len(items)) + _largest(biases)
    if bound > float(np.finfo(np.float32).max):  # a score, or an entry of the items' Gram matrix
        raise ArtifactError(f"{name}: values up to {longest:.3g} overflow float32; fit it with more `lambd`")
    return Embedding(
        items=items,
        users=IdIndex(user_ids),
        item_vectors=item_vectors,
        item_biases=biases,
        user_vectors=user_vectors,
        fold_in=make_fold_in(artifact),
        weighting=artifact.manifest.config["weighting"],
        coded=_coded(name, artifact, item_vectors, biases)
        if any(key.startswith("scan_") for key in artifact.arrays)
        else None,
    )


def _coded(name: str, artifact: Artifact, vectors: Floats, biases: Floats) -> CodedVectors:
    codes = ScanCodes(*(array(artifact, f"scan_{part}") for part in ScanCodes._fields))
    n, dim = vectors.shape
    wanted = (-(-n // LANES), 2 * -(-dim // LANES), BYTES), (n, BYTES * -(-dim // NUMBERS)), (4, n)
    seen = tuple(part.shape for part in codes)
    if seen != wanted:
        names = " ".join(f"scan_{part}" for part in ScanCodes._fields)
        raise ArtifactError(f"{name}: {names} are {seen}, wanted {wanted}; fit the model again")
    return CodedVectors(vectors, biases, codes)


def _check_shape(name: str, what: str, values: NDArray[Any], shape: tuple[int, ...]) -> None:
    if values.shape != shape or values.dtype != np.float32:
        seen = f"{values.dtype} {values.shape}"
        raise ArtifactError(f"{name}: {what} is {seen}, wanted float32 {shape}; fit the model again")


def _largest(values: Floats) -> float:
    """Return the largest absolute value."""
    return float(max(values.max(), -values.min())) if values.size else 0.0
