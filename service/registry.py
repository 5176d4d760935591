"""Turns a release on disk into the objects that answer requests.

Everything is validated and mapped before anything is returned, so a caller swaps one reference.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.artifact import Artifact, Manifest
from service.catalogue import Catalogue, Texts
from service.cg.base import CandidateGenerator, ItemMap
from service.cg.linear import LinearItemToItemCG, dense_scorer, sparse_scorer
from service.cg.popular import PersonalTop, Popular
from service.errors import ArtifactError, StoreError, UnknownCGError
from service.history import SnapshotHistory
from service.ids import IdIndex, union
from service.store import DATA, ReleaseManifest, Store

log = logging.getLogger(__name__)

POPULAR = "popular"


@dataclass(frozen=True)
class Release:
    """A loaded release; immutable, shared by all requests that it answers."""

    manifest: ReleaseManifest
    artifacts: Mapping[str, Manifest]
    items: IdIndex
    """The release-wide item index; all items elsewhere are rows of it."""
    users: IdIndex
    history: SnapshotHistory
    catalogue: Catalogue
    item_names: Texts | None
    popular: Popular
    """What every list is filled from."""
    cgs: Mapping[str, CandidateGenerator]

    @property
    def name(self) -> str:
        """The release's name."""
        return self.manifest.release

    def cg(self, name: str | None) -> CandidateGenerator:
        """Return a generator by name, the release's default for None."""
        try:
            return self.cgs[name or self.manifest.default_cg]
        except KeyError:
            raise UnknownCGError(str(name), sorted(self.cgs)) from None


def load(store: Store, name: str | None = None) -> Release:
    """Validate, map and warm up a release; the current one by default.

    Raises:
        StoreError: there is no such release, or an artifact of it must not be served.
    """
    manifest = store.release(name)
    artifacts = {name: store.artifact(name, version) for name, version in manifest.artifacts.items()}
    if DATA not in artifacts:
        raise StoreError(f"release {manifest.release} has no artifact {DATA!r}; publish a new one")
    return build(manifest, artifacts)


def load_newest_good(store: Store) -> Release:
    """Load the current release or, if it is damaged, the nearest of its ancestors that is not."""
    name = store.current()
    if name is None:
        return load(store)
    first_error: StoreError | None = None
    seen: set[str] = set()
    while name is not None and name not in seen:
        seen.add(name)
        try:
            return load(store, name)
        except StoreError as error:
            log.error("release %s is refused: %s", name, error)
            first_error = first_error or error
            name = _parent(store, name)
    raise first_error or StoreError(f"{store.root}: no release can be served")


def build(manifest: ReleaseManifest, artifacts: Mapping[str, Artifact]) -> Release:
    """Build the generators of validated artifacts over one release-wide item index."""
    data = artifacts[DATA]
    models = {name: artifact for name, artifact in artifacts.items() if name != DATA}
    own_ids = [artifact.arrays["item_ids"] for artifact in models.values()]
    items = IdIndex(union([_array(data, "item_ids"), *own_ids]))
    data_items = _item_map(items, data)
    popular = _popular(POPULAR, data, data_items)
    cgs: dict[str, CandidateGenerator] = {POPULAR: popular}
    for name, artifact in models.items():
        cgs[name] = _build_cg(name, artifact, _item_map(items, artifact))
    if manifest.default_cg not in cgs:
        raise StoreError(f"release {manifest.release}: its default CG {manifest.default_cg!r} is not in it")
    for cg in cgs.values():
        cg.warm_up()
    users = IdIndex(_array(data, "user_ids"))
    return Release(
        manifest=manifest,
        artifacts={name: artifact.manifest for name, artifact in artifacts.items()},
        items=items,
        users=users,
        history=_history(data, users, data_items),
        catalogue=_catalogue(data, data_items),
        item_names=_item_names(data, data_items),
        popular=popular,
        cgs=dict(sorted(cgs.items())),
    )


def _parent(store: Store, name: str) -> str | None:
    try:
        return store.release(name).parent
    except StoreError:
        older = [other for other in store.releases() if other < name]
        return older[-1] if older else None


def _array(artifact: Artifact, name: str) -> NDArray[Any]:
    try:
        return artifact.arrays[name]
    except KeyError:
        where = f"{artifact.manifest.name}/{artifact.manifest.version}"
        raise ArtifactError(f"{where}: lacks the array {name!r} that its algorithm needs") from None


def _item_map(items: IdIndex, artifact: Artifact) -> ItemMap:
    own = _array(artifact, "item_ids")
    same = len(own) == len(items) and (own is items.ids or bool((own == items.ids).all()))
    return ItemMap(None if same else items.rows_of(own), len(items))


def _in_release(values: NDArray[Any], items: ItemMap, default: Any) -> NDArray[Any]:
    """Spread values per item of an artifact over the release's items."""
    if items.to_release is None:
        return values
    spread = np.full(items.n_release, default, values.dtype)
    spread[items.to_release] = values
    return spread


# the data artifact


def _history(data: Artifact, users: IdIndex, items: ItemMap) -> SnapshotHistory:
    indptr = _array(data, "history_indptr")
    own = _array(data, "history_items")
    if (
        len(indptr) != len(users) + 1
        or indptr[0] != 0
        or indptr[-1] != len(own)
        or (np.diff(indptr) < 0).any()
    ):
        raise ArtifactError("data: history_indptr does not describe rows of history_items for user_ids")
    _check_rows("data: history_items", own, len(items))
    counts, last = _array(data, "history_counts"), _array(data, "history_last")
    if not len(own) == len(counts) == len(last):
        raise ArtifactError("data: history_items, history_counts and history_last differ in length")
    return SnapshotHistory(users, indptr, items.release_items(own), counts, last)


def _catalogue(data: Artifact, items: ItemMap) -> Catalogue:
    categories = _array(data, "item_categories")
    names = [value.decode() for value in _array(data, "category_names").tolist()]
    _check_rows("data: item_categories", categories[categories >= 0], len(names))
    share = _array(data, "item_users") / np.float32(max(1, len(_array(data, "user_ids"))))
    return Catalogue(
        _in_release(categories, items, -1), names, _in_release(share.astype(np.float32), items, 0.0)
    )


def _item_names(data: Artifact, items: ItemMap) -> Texts | None:
    if "item_name_offsets" not in data.arrays:
        return None
    texts = Texts(_array(data, "item_name_offsets"), _array(data, "item_name_bytes"))
    if items.to_release is None:
        return texts
    return Texts.of([texts[row] if row >= 0 else None for row in items.model_rows().tolist()])


def _check_rows(what: str, rows: NDArray[np.int32], n: int) -> None:
    if len(rows) and (rows.min() < 0 or rows.max() >= n):
        raise ArtifactError(f"{what}: holds {rows.min()}…{rows.max()}, wanted 0…{n - 1}")


# generators


def _popular(name: str, artifact: Artifact, items: ItemMap) -> Popular:
    order, scores = _array(artifact, "popular_order"), _array(artifact, "popularity")
    _check_rows(f"{name}: popular_order", order, len(items))
    if len(scores) != len(items):
        raise ArtifactError(f"{name}: popularity has {len(scores)} values for {len(items)} items")
    return Popular(name, items.release_items(order), _in_release(scores, items, 0.0))


def _linear(name: str, artifact: Artifact, items: ItemMap) -> LinearItemToItemCG:
    n = len(items)
    if "weights" in artifact.arrays:
        W = _array(artifact, "weights")
        if W.shape != (n, n):
            raise ArtifactError(f"{name}: weights are {W.shape} for {n} items")
        score = dense_scorer(W)
    else:
        indptr, columns = _array(artifact, "weights_indptr"), _array(artifact, "weights_columns")
        values = _array(artifact, "weights_values")
        if len(indptr) != n + 1 or indptr[0] != 0 or (np.diff(indptr) < 0).any():
            raise ArtifactError(f"{name}: weights_indptr does not describe {n} rows")
        if not indptr[-1] == len(columns) == len(values):
            raise ArtifactError(f"{name}: weights_columns and weights_values do not fit weights_indptr")
        _check_rows(f"{name}: weights_columns", columns, n)
        score = sparse_scorer(indptr, columns, values)
    return LinearItemToItemCG(name, score, items, artifact.manifest.config["weighting"])


def _personal_top(name: str, artifact: Artifact, items: ItemMap) -> PersonalTop:
    config = artifact.manifest.config
    return PersonalTop(name, items, config["weighting"], config.get("half_life_days"))


_BUILDERS: Mapping[str, Callable[[str, Artifact, ItemMap], CandidateGenerator]] = {
    "ease": _linear,
    "slim": _linear,
    "popular": _popular,
    "personal_top": _personal_top,
}


def _build_cg(name: str, artifact: Artifact, items: ItemMap) -> CandidateGenerator:
    algorithm = artifact.manifest.algorithm
    if algorithm not in _BUILDERS:
        raise ArtifactError(
            f"{name}: no generator for algorithm {algorithm!r}; valid: {', '.join(_BUILDERS)}"
        )
    try:
        return _BUILDERS[algorithm](name, artifact, items)
    except KeyError as error:
        raise ArtifactError(f"{name}: its manifest's config lacks {error}") from error
