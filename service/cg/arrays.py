"""Arrays of an artifact as a generator needs them: present, within bounds, in the release's items."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.artifact import Artifact
from service.cg.base import ItemMap
from service.errors import ArtifactError


def array(artifact: Artifact, name: str) -> NDArray[Any]:
    """Return an array that the algorithm cannot do without."""
    try:
        return artifact.arrays[name]
    except KeyError:
        where = f"{artifact.manifest.name}/{artifact.manifest.version}"
        raise ArtifactError(f"{where}: lacks the array {name!r} that its algorithm needs") from None


def check_rows(what: str, rows: NDArray[np.int32], n: int) -> None:
    """Refuse rows that are not in 0…n−1."""
    if len(rows) and (rows.min() < 0 or rows.max() >= n):
        raise ArtifactError(f"{what}: holds {rows.min()}…{rows.max()}, wanted 0…{n - 1}")


def in_release(values: NDArray[Any], items: ItemMap, default: Any) -> NDArray[Any]:
    """Spread values per item of an artifact over the release's items."""
    if items.to_release is None:
        return values
    spread = np.full(items.n_release, default, values.dtype)
    spread[items.to_release] = values
    return spread
