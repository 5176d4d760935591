"""What there is to be served: the generators of a release, the releases of a store."""

from typing import Any

from service.artifact import Manifest
from service.cg.base import SimilarItems
from service.errors import StoreError
from service.registry import Release
from service.release_manifest import DATA, MIXIGEN, POPULAR
from service.store import Store

_POPULAR_ARRAYS = ("popular_order", "popularity")


def cgs(release: Release) -> list[dict[str, Any]]:
    """Describe every generator of a release."""
    return [_cg(release, name) for name in release.cgs]


def mixigen(release: Release) -> dict[str, Any] | None:
    """Describe the blender of a release, None if there is none."""
    if release.mixigen is None:
        return None
    manifest, data = release.artifacts[MIXIGEN], release.artifacts[DATA]
    described = _of_artifact(manifest)
    del described["algorithm"]
    return {
        **described,
        "cgs": list(release.mixigen.cgs),
        "trained_on_data": manifest.data_fingerprint == data.data_fingerprint,
    }


def _cg(release: Release, name: str) -> dict[str, Any]:
    manifest = release.artifacts.get(name)
    data = release.artifacts[DATA]
    described = _of_artifact(manifest) if manifest else _built_in_popular(data)
    return {
        "name": name,
        **described,
        "default": name == release.manifest.default_cg,
        "similar": isinstance(release.cgs[name], SimilarItems),
        "trained_on_data": (manifest or data).data_fingerprint == data.data_fingerprint,
    }


def _of_artifact(manifest: Manifest) -> dict[str, Any]:
    return {
        "algorithm": manifest.algorithm,
        "version": manifest.version,
        "config": manifest.config,
        "metrics": manifest.metrics,
        "bytes": manifest.bytes,
        "created": manifest.created,
        "fit_seconds": manifest.fit_seconds,
    }


def _built_in_popular(data: Manifest) -> dict[str, Any]:
    """Describe the generator that every release has; it lives in `data`."""
    size = sum(entry.size for name, entry in data.arrays.items() if name in _POPULAR_ARRAYS)
    return {**_of_artifact(data), "algorithm": POPULAR, "config": {}, "metrics": {}, "bytes": size}


def releases(store: Store) -> dict[str, Any]:
    """Describe every release of a store, newest first."""
    current = store.current()
    return {
        "current": current,
        "releases": [_release(store, name, current) for name in reversed(store.releases())],
    }


def _release(store: Store, name: str, current: str | None) -> dict[str, Any]:
    described: dict[str, Any]
    try:
        described = store.release(name).model_dump(exclude={"format", "release"})
    except StoreError as error:
        described = {"error": str(error)}
    return {"release": name, "current": name == current, **described}
