"""Arrays of an artifact as a generator needs them: present, within bounds, in the release's items."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.artifact import Artifact
from service.cg.base import ItemMap
from service.errors import ArtifactError

FORMATS: Mapping[str, tuple[str, int]] = {
    "history_indptr": ("<i8", 1),
    "history_items": ("<i4", 1),
    "history_counts": ("<i4", 1),
    "history_last": ("<i8", 1),
    "item_users": ("<i4", 1),
    "item_categories": ("<i4", 1),
    "popularity": ("<f4", 1),
    "popular_order": ("<i4", 1),
    "item_name_offsets": ("<i8", 1),
    "item_name_bytes": ("|u1", 1),
    "weights": ("<f4", 2),
    "weights_indptr": ("<i8", 1),
    "weights_columns": ("<u2 <i4", 1),
    "weights_values": ("<f4", 1),
    "code_columns": ("<i4", 1),
    "codes": ("|u1", 2),
    "code_scales": ("<f4", 1),
    "scan_upper": ("|u1", 3),
    "scan_lower": ("|u1", 2),
    "scan_bounds": ("<f4", 2),
}
"""dtypes and number of dimensions: what compiled kernels take. Where an array is not listed, its reader checks."""


def array(artifact: Artifact, name: str) -> NDArray[Any]:
    """Return an array that the algorithm cannot do without, of the type that it needs."""
    where = f"{artifact.manifest.name}/{artifact.manifest.version}"
    try:
        found = artifact.arrays[name]
    except KeyError:
        raise ArtifactError(f"{where}: lacks the array {name!r} that its algorithm needs") from None
    dtypes, dimensions = FORMATS.get(name, (found.dtype.str, found.ndim))
    if found.dtype.str not in dtypes.split() or found.ndim != dimensions:
        wanted = f"{dtypes.replace(' ', ' or ')} in {dimensions}"
        raise ArtifactError(
            f"{where}: {name} is {found.dtype.str} in {found.ndim} dimensions, wanted {wanted}; fit it again"
        )
    return found


def check_length(what: str, values: NDArray[Any], n: int) -> None:
    """Refuse an array of another length than what it is about."""
    if len(values) != n:
        raise ArtifactError(f"{what}: has {len(values)} entries, wanted {n}")


def check_rows(what: str, rows: NDArray[Any], n: int) -> None:
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
