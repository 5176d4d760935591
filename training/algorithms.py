"""The algorithms that `fit` knows: for each its Config and how a fit becomes arrays to be stored."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from training import ease, personal_top, popular
from training.artifacts import popularity_arrays, weight_arrays
from training.config import FitConfig
from training.errors import DataError
from training.interactions import Interactions, matrix


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


def _ease(interactions: Interactions, config: ease.Config) -> Fitted:
    return Fitted(weight_arrays(ease.fit(matrix(interactions, config.weighting), config)))


def _popular(interactions: Interactions, config: popular.Config) -> Fitted:
    popularity = popular.fit(matrix(interactions, config.weighting), config)
    return Fitted(popularity_arrays(np.arange(len(popularity), dtype=np.int32), popularity, len(popularity)))


def _personal_top(interactions: Interactions, config: personal_top.Config) -> Fitted:
    del interactions, config
    return Fitted({})


ALGORITHMS: Mapping[str, Algorithm] = {
    "ease": Algorithm(ease.Config, _ease),
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
