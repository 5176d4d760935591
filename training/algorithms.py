"""The algorithms that `fit` knows: for each its Config and how a fit becomes arrays to be stored."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import ValidationError

from service.array_types import Floats
from service.cg.fold_in_bpr import learn_map
from training import adaptive_bpr, als, bpr, compact, ease, personal_top, popular, slim
from training.artifacts import compact_arrays, embedding_arrays, popularity_arrays, weight_arrays
from training.config import FitConfig
from training.embeddings import Embeddings
from training.errors import DataError
from training.index_choice import IndexConfig, choose_index
from training.interactions import Interactions, matrix
from training.pruning_loss import pruning_loss
from training.top_weights import keep_largest


@dataclass(frozen=True)
class Fitted:
    """What one fit leaves: arrays and files of its artifact, and what was measured on the way."""

    arrays: Mapping[str, NDArray[Any]]
    metrics: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Algorithm:
    """A model that can be fitted and served."""

    config: type[FitConfig]
    fit: Callable[[Interactions, Any], Fitted]


class ServedAls(als.Config, IndexConfig):
    """ALS, and how its vectors are searched."""


class ServedBpr(bpr.Config, IndexConfig):
    """BPR, and how its vectors are searched."""


class ServedAdaptiveBpr(adaptive_bpr.Config, IndexConfig):
    """AdaptiveBPR, and how its vectors are searched."""


def _ease(interactions: Interactions, config: ease.Config) -> Fitted:
    complete = config.model_copy(update={"serve_top_k": None, "serve_columns": None})
    X = matrix(interactions, config.weighting)
    W = ease.fit(X, complete).astype(np.float32, copy=False)
    if config.serve_top_k is None:
        return Fitted(weight_arrays(W))
    if config.serve_columns is None or sp.issparse(W):
        pruned = keep_largest(W, config.serve_top_k)
        return Fitted(weight_arrays(pruned), {"pruning": pruning_loss(W, pruned, interactions, config)})
    small = compact.compress(W, X, config.serve_top_k, config.serve_columns, config.seed)
    return Fitted(compact_arrays(small), {"pruning": pruning_loss(W, small, interactions, config)})


def _slim(interactions: Interactions, config: slim.Config) -> Fitted:
    W = slim.fit(sp.csr_matrix(matrix(interactions, config.weighting)), config)
    return Fitted(weight_arrays(sp.csr_array(W)))


def _als(interactions: Interactions, config: ServedAls) -> Fitted:
    return _embedding(als.fit(matrix(interactions, config.weighting), config), interactions, config)


def _bpr(interactions: Interactions, config: ServedBpr) -> Fitted:
    return _pairwise(bpr.fit(matrix(interactions, config.weighting), config), interactions, config)


def _adaptive_bpr(interactions: Interactions, config: ServedAdaptiveBpr) -> Fitted:
    return _pairwise(adaptive_bpr.fit(matrix(interactions, config.weighting), config), interactions, config)


def _pairwise(model: Embeddings, interactions: Interactions, config: IndexConfig) -> Fitted:
    X = matrix(interactions, config.weighting)
    return _embedding(model, interactions, config, fold_in_map=learn_map(model.users, model.items, X))


def _embedding(model: Embeddings, interactions: Interactions, config: IndexConfig, **more: Floats) -> Fitted:
    choice = choose_index(model, config)
    return Fitted(
        {**embedding_arrays(model, interactions.user_ids), **choice.arrays, **more},
        metrics={"index": choice.metrics},
        files=choice.files,
    )


def _popular(interactions: Interactions, config: popular.Config) -> Fitted:
    popularity = popular.fit(matrix(interactions, config.weighting), config)
    return Fitted(popularity_arrays(np.arange(len(popularity), dtype=np.int32), popularity, len(popularity)))


def _personal_top(interactions: Interactions, config: personal_top.Config) -> Fitted:
    del interactions, config
    return Fitted({})


ALGORITHMS: Mapping[str, Algorithm] = {
    "ease": Algorithm(ease.Config, _ease),
    "slim": Algorithm(slim.Config, _slim),
    "als": Algorithm(ServedAls, _als),
    "bpr": Algorithm(ServedBpr, _bpr),
    "adaptive_bpr": Algorithm(ServedAdaptiveBpr, _adaptive_bpr),
    "popular": Algorithm(popular.Config, _popular),
    "personal_top": Algorithm(personal_top.Config, _personal_top),
}


def algorithm(name: str) -> Algorithm:
    """Return an algorithm by name."""
    try:
        return ALGORITHMS[name]
    except KeyError:
        raise DataError(f"no algorithm {name!r}; valid: {', '.join(ALGORITHMS)}") from None


def make_config(name: str, values: Mapping[str, Any]) -> FitConfig:
    """Validate values from the command line or a preset; "none" stands for no value."""
    config = algorithm(name).config
    given = {key: None if value == "none" else value for key, value in values.items()}
    unknown = sorted(set(given) - set(config.model_fields))
    if unknown:
        raise DataError(f"{name} has no key {unknown[0]!r}; valid: {', '.join(config.model_fields)}")
    try:
        return config.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "config"
        raise DataError(f"{name}: {key} = {first['input']!r}: {first['msg']}") from None
