"""From a validated artifact to the candidate generator that serves it, one function per kind of model."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.artifact import Artifact
from service.cg.arrays import array, check_rows, in_release
from service.cg.base import CandidateGenerator, ItemMap
from service.cg.build_embedding import als, bpr
from service.cg.linear import LinearItemToItemCG
from service.cg.popular import PersonalTop, Popular
from service.compact_kernels import CompactWeights
from service.errors import ArtifactError
from service.linear_kernels import DenseWeights, SparseWeights, Weights
from service.marked import marks_of
from service.nibbles import BYTES, NUMBERS


def popular(name: str, artifact: Artifact, items: ItemMap) -> Popular:
    """Build Popular; the `data` artifact holds its arrays too."""
    order, scores = array(artifact, "popular_order"), array(artifact, "popularity")
    check_rows(f"{name}: popular_order", order, len(items))
    if len(scores) != len(items):
        raise ArtifactError(f"{name}: popularity has {len(scores)} values for {len(items)} items")
    if len(order) != np.count_nonzero(scores) or len(np.unique(order)) != len(order):
        raise ArtifactError(f"{name}: popular_order is not an order of the items with a popularity")
    return Popular(name, items.release_items(order), in_release(scores, items, 0.0))


def _linear(name: str, artifact: Artifact, items: ItemMap) -> LinearItemToItemCG:
    return LinearItemToItemCG(name, _weights(name, artifact, len(items)), items, artifact.manifest.config["weighting"])


def _weights(name: str, artifact: Artifact, n: int) -> Weights:
    if "weights" in artifact.arrays:
        W = array(artifact, "weights")
        if W.shape != (n, n):
            raise ArtifactError(f"{name}: weights are {W.shape} for {n} items")
        return DenseWeights(W)
    indptr, columns = array(artifact, "weights_indptr"), array(artifact, "weights_columns")
    values = array(artifact, "weights_values")
    if len(indptr) != n + 1 or indptr[0] != 0 or (np.diff(indptr) < 0).any():
        raise ArtifactError(f"{name}: weights_indptr does not describe {n} rows")
    if not indptr[-1] == len(columns) == len(values):
        raise ArtifactError(f"{name}: weights_columns and weights_values do not fit weights_indptr")
    check_rows(f"{name}: weights_columns", columns, n)
    if "codes" in artifact.arrays:
        return _compact(name, artifact, indptr, columns, values)
    return SparseWeights(indptr, columns, values, n)


def _compact(
    name: str, artifact: Artifact, indptr: NDArray[Any], columns_of_largest: NDArray[Any], largest: NDArray[Any]
) -> CompactWeights:
    n = len(indptr) - 1
    columns, codes, scales = (array(artifact, key) for key in ("code_columns", "codes", "code_scales"))
    wanted = (n, -(-len(columns) // NUMBERS) * BYTES)
    if codes.shape != wanted or scales.shape != (n,):
        seen = f"{codes.shape} and {scales.shape}"
        raise ArtifactError(f"{name}: codes and code_scales are {seen}, wanted {wanted} and {(n,)}; fit it again")
    if (scales < 0).any():
        raise ArtifactError(f"{name}: code_scales holds {scales.min()}, wanted none below 0; fit it again")
    check_rows(f"{name}: code_columns", columns, n)
    if (np.diff(columns) <= 0).any():
        raise ArtifactError(f"{name}: code_columns are not ascending; fit it again")
    return CompactWeights(indptr, columns_of_largest, largest, marks_of(columns, n), codes, scales)


def _personal_top(name: str, artifact: Artifact, items: ItemMap) -> PersonalTop:
    config = artifact.manifest.config
    return PersonalTop(name, items, config["weighting"], config.get("half_life_days"))


BUILDERS: Mapping[str, Callable[[str, Artifact, ItemMap], CandidateGenerator]] = {
    "als": als,
    "bpr": bpr,
    "adaptive_bpr": bpr,
    "ease": _linear,
    "slim": _linear,
    "popular": popular,
    "personal_top": _personal_top,
}


def build_cg(name: str, artifact: Artifact, items: ItemMap) -> CandidateGenerator:
    """Build the generator of an artifact; its ArtifactError says what does not fit."""
    algorithm = artifact.manifest.algorithm
    if algorithm not in BUILDERS:
        raise ArtifactError(f"{name}: no generator for algorithm {algorithm!r}; valid: {', '.join(BUILDERS)}")
    try:
        return BUILDERS[algorithm](name, artifact, items)
    except KeyError as error:
        raise ArtifactError(f"{name}: its manifest's config lacks {error}") from error
