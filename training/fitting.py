"""Events to drafts: the data artifact and one artifact for each model, from the same file."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from service.artifact import Draft
from training.algorithms import Fitted, algorithm, make_config
from training.artifacts import data_draft, model_draft
from training.config import FitConfig
from training.errors import DataError
from training.interactions import Interactions, filter_items


@dataclass(frozen=True)
class Model:
    """One model to be fitted: its name in the release, its algorithm and the values of `--set`."""

    name: str
    algorithm: str
    values: Mapping[str, Any]


def fit(interactions: Interactions, models: Iterable[Model]) -> Iterable[Draft]:
    """Yield the draft of the data, then that of each model as it is fitted.

    Configs are validated before the first fit begins.
    """
    configs = [(model, make_config(model.algorithm, model.values)) for model in models]
    data = data_draft(interactions)
    yield data
    for model, config in configs:
        own = filter_items(interactions, config.min_item_users)
        started = time.perf_counter()
        fitted = _fit_one(model, own, config)
        yield model_draft(
            model.name,
            model.algorithm,
            own,
            fitted.arrays,
            config.model_dump(mode="json"),
            data_fingerprint=data.data_fingerprint,
            fit_seconds=round(time.perf_counter() - started, 3),
            metrics=fitted.metrics,
            files=fitted.files,
        )


def _fit_one(model: Model, interactions: Interactions, config: FitConfig) -> Fitted:
    try:
        return algorithm(model.algorithm).fit(interactions, config)
    except DataError:
        raise
    except (ValueError, MemoryError) as error:
        raise DataError(f"{model.name}: {error or 'out of memory'}") from error
