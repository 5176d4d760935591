"""Turns a release on disk into the objects that answer requests.

Everything is validated and mapped before anything is returned, so a caller swaps one reference.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.array_types import Ints
from service.artifact import Artifact, Manifest
from service.catalogue import Catalogue, Texts
from service.cg.arrays import array, check_length, check_rows, in_release
from service.cg.base import NO_ITEMS, CandidateGenerator, ItemMap
from service.cg.build import build_cg
from service.cg.build import popular as popular_cg
from service.cg.mixigen import MixiGen
from service.cg.popular import Popular
from service.errors import ArtifactError, StoreError, UnknownCGError
from service.history import SnapshotHistory
from service.ids import IdIndex, ids_of_texts, union
from service.item_json import ItemJson
from service.mix_model import MixModel
from service.release_manifest import DATA, MIXIGEN, POPULAR, ReleaseManifest, lacks_cgs
from service.store import Store


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
    mixigen: MixiGen | None = None
    """What blends the generators; None if the release has no such artifact."""
    blocked: Ints = field(default_factory=lambda: NO_ITEMS)
    """Ascending: items that were taken off, whatever a request says."""
    _item_json: dict[bool, ItemJson] = field(default_factory=dict, repr=False)
    """Shared with what `without` returns."""

    @property
    def name(self) -> str:
        """The release's name."""
        return self.manifest.release

    def item_json(self, as_strings: bool) -> ItemJson:
        """Return what renders its items; made when it is first asked for."""
        if as_strings not in self._item_json:
            self._item_json[as_strings] = ItemJson(self.items, as_strings)
        return self._item_json[as_strings]

    def cg(self, name: str | None) -> CandidateGenerator:
        """Return a generator by name, the release's default for None."""
        try:
            return self.cgs[name or self.manifest.default_cg]
        except KeyError:
            raise UnknownCGError(str(name), sorted(self.cgs)) from None

    def without(self, blocked: Sequence[str]) -> "Release":
        """Return the same release, its arrays shared, that never returns these items; ids as texts."""
        rows = self.items.rows(ids_of_texts(blocked, self.items.type))
        return replace(self, blocked=np.unique(rows[rows >= 0]).astype(np.int32))


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


def newest_first(store: Store, name: str) -> Iterator[str]:
    """Return a release's name, then its parent's and so on: what to serve if the release is damaged."""
    seen: set[str] = set()
    while name not in seen:
        seen.add(name)
        yield name
        name = _parent(store, name) or name


def build(manifest: ReleaseManifest, artifacts: Mapping[str, Artifact]) -> Release:
    """Build the generators of validated artifacts over one release-wide item index."""
    artifacts = _shared(artifacts)
    data = artifacts[DATA]
    models = {name: artifact for name, artifact in artifacts.items() if name not in (DATA, MIXIGEN)}
    own_ids = [artifact.arrays["item_ids"] for artifact in models.values()]
    items = IdIndex(union([array(data, "item_ids"), *own_ids]))
    data_items = _item_map(items, data)
    popular = popular_cg(POPULAR, data, data_items)
    cgs: dict[str, CandidateGenerator] = {POPULAR: popular}
    maps: dict[int, ItemMap] = {}
    for name, artifact in models.items():
        own = id(artifact.arrays["item_ids"])
        if own not in maps:
            maps[own] = _item_map(items, artifact)
        cgs[name] = build_cg(name, artifact, maps[own])
    if manifest.default_cg not in cgs:
        raise StoreError(f"release {manifest.release}: its default CG {manifest.default_cg!r} is not in it")
    mixigen = _mixigen(artifacts[MIXIGEN], cgs) if MIXIGEN in artifacts else None
    for cg in cgs.values():
        cg.warm_up()
    if mixigen:
        mixigen.warm_up()
    users = IdIndex(array(data, "user_ids"))
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
        mixigen=mixigen,
    )


def _shared(artifacts: Mapping[str, Artifact]) -> dict[str, Artifact]:
    """Return artifacts that have what several of them hold, ids mostly, as one array: caches hold it once."""
    first: dict[str, NDArray[Any]] = {}
    return {
        name: replace(
            artifact,
            arrays={
                key: first.setdefault(artifact.manifest.arrays[key].sha256, values)
                for key, values in artifact.arrays.items()
            },
        )
        for name, artifact in artifacts.items()
    }


def _mixigen(artifact: Artifact, cgs: Mapping[str, CandidateGenerator]) -> MixiGen:
    mixigen = MixiGen(MixModel.from_artifact(artifact))
    missing = [name for name in mixigen.cgs if name not in cgs]
    if missing:
        raise StoreError(lacks_cgs(mixigen.cgs, missing))
    return mixigen


def _parent(store: Store, name: str) -> str | None:
    try:
        return store.release(name).parent
    except StoreError:
        older = [other for other in store.releases() if other < name]
        return older[-1] if older else None


def _item_map(items: IdIndex, artifact: Artifact) -> ItemMap:
    own = array(artifact, "item_ids")
    same = len(own) == len(items) and (own is items.ids or bool((own == items.ids).all()))
    return ItemMap(None if same else items.rows_of(own), len(items))


# the data artifact


def _history(data: Artifact, users: IdIndex, items: ItemMap) -> SnapshotHistory:
    indptr = array(data, "history_indptr")
    own = array(data, "history_items")
    if len(indptr) != len(users) + 1 or indptr[0] != 0 or indptr[-1] != len(own) or (np.diff(indptr) < 0).any():
        raise ArtifactError("data: history_indptr does not describe rows of history_items for user_ids")
    check_rows("data: history_items", own, len(items))
    counts, last = array(data, "history_counts"), array(data, "history_last")
    if not len(own) == len(counts) == len(last):
        raise ArtifactError("data: history_items, history_counts and history_last differ in length")
    return SnapshotHistory(users, indptr, items.release_items(own), counts, last)


def _catalogue(data: Artifact, items: ItemMap) -> Catalogue:
    categories = array(data, "item_categories")
    check_length("data: item_categories", categories, len(items))
    check_length("data: item_users", array(data, "item_users"), len(items))
    if array(data, "category_names").dtype.kind != "S":
        raise ArtifactError(f"data: category_names are {array(data, 'category_names').dtype}, wanted bytes")
    names = [value.decode() for value in array(data, "category_names").tolist()]
    check_rows("data: item_categories", categories[categories >= 0], len(names))
    share = array(data, "item_users") / np.float32(max(1, len(array(data, "user_ids"))))
    return Catalogue(in_release(categories, items, -1), names, in_release(share.astype(np.float32), items, 0.0))


def _item_names(data: Artifact, items: ItemMap) -> Texts | None:
    if "item_name_offsets" not in data.arrays:
        return None
    offsets, content = array(data, "item_name_offsets"), array(data, "item_name_bytes")
    check_length("data: item_name_offsets", offsets, len(items) + 1)
    if offsets[0] != 0 or offsets[-1] != len(content) or (np.diff(offsets) < 0).any():
        raise ArtifactError("data: item_name_offsets do not describe pieces of item_name_bytes")
    texts = Texts(offsets, content)
    if items.to_release is None:
        return texts
    return Texts.of([texts[row] if row >= 0 else None for row in items.model_rows().tolist()])
