"""The on-disk contract of one trained model: a manifest and .npy arrays in a folder, immutable.

Written to a temporary folder, fsynced, manifest last, then renamed. Read only after every size,
header, checksum and value has been validated; arrays are memory-mapped and read-only.
"""

import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.artifact_files import (
    ArrayEntry,
    FileEntry,
    check_file,
    chunks,
    map_array,
    note_validated,
    open_regular,
    sync_folder,
    write_array,
    write_file,
)
from service.errors import ArtifactError
from service.ids import IdType, id_type_of

MANIFEST = "manifest.json"
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
_MAX_MANIFEST_BYTES = 4 << 20
_FILE_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}(\.[a-z]{1,8})?")

Arrays = Mapping[str, NDArray[Any]]


class Manifest(BaseModel):
    """All that is known of an artifact besides its numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: int = Field(default=1, ge=1, le=1, strict=True)
    name: str = Field(pattern=NAME_PATTERN)
    algorithm: str = Field(pattern=NAME_PATTERN)
    version: str = Field(pattern="^[0-9a-f]{16}$")
    created: str
    config: dict[str, Any]
    item_id_type: IdType
    user_id_type: IdType
    arrays: dict[str, ArrayEntry]
    files: dict[str, FileEntry] = {}
    fit_seconds: float | None = None
    metrics: dict[str, Any] = {}
    data_fingerprint: str
    """SHA-256 of the interactions the artifact was made from."""
    libraries: dict[str, str] = {}

    @property
    def bytes(self) -> int:
        """Size of all files together."""
        return sum(entry.size for entry in (*self.arrays.values(), *self.files.values()))


@dataclass(frozen=True)
class Draft:
    """What a fit hands over to be written; `write` adds version, checksums and time."""

    name: str
    algorithm: str
    arrays: Arrays
    config: Mapping[str, Any]
    item_id_type: IdType
    user_id_type: IdType
    data_fingerprint: str
    created: str
    fit_seconds: float | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Artifact:
    """A validated artifact: its manifest and its arrays, mapped read-only."""

    manifest: Manifest
    arrays: Arrays
    path: Path


def write(parent: Path, draft: Draft) -> tuple[Path, Manifest]:
    """Write a draft to a new temporary folder in `parent`; `store` renames it into place.

    The version is a hash of the content, so the same fit on the same data is the same version.
    """
    parent.mkdir(parents=True, exist_ok=True)
    folder = parent / f".tmp-{os.getpid()}-{secrets.token_hex(4)}"
    folder.mkdir()
    try:
        return folder, _fill(folder, draft)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)  # a disk that is full must not stay full of this
        raise


def _fill(folder: Path, draft: Draft) -> Manifest:
    """Write a draft's files, its manifest last."""
    arrays = {name: write_array(folder / f"{name}.npy", array) for name, array in draft.arrays.items()}
    files = {name: write_file(folder / name, content) for name, content in draft.files.items()}
    config = json.loads(json.dumps(dict(draft.config)))
    manifest = Manifest(
        name=draft.name,
        algorithm=draft.algorithm,
        version="0" * 16,
        created=draft.created,
        config=config,
        item_id_type=draft.item_id_type,
        user_id_type=draft.user_id_type,
        arrays=arrays,
        files=files,
        fit_seconds=draft.fit_seconds,
        metrics=dict(draft.metrics),
        data_fingerprint=draft.data_fingerprint,
        libraries=dict(draft.libraries),
    )
    manifest = manifest.model_copy(update={"version": _version(manifest)})
    write_file(folder / MANIFEST, manifest.model_dump_json(indent=1).encode())
    sync_folder(folder)
    return manifest


def _version(manifest: Manifest) -> str:
    """Return the hash of what the answers depend on."""
    identity = [
        manifest.algorithm,
        manifest.config,
        manifest.item_id_type,
        manifest.user_id_type,
        manifest.data_fingerprint,
    ]
    digests = sorted((name, entry.sha256) for name, entry in {**manifest.arrays, **manifest.files}.items())
    return hashlib.sha256(json.dumps([identity, digests], sort_keys=True).encode()).hexdigest()[:16]


def read_manifest(folder: Path) -> Manifest:
    """Read and validate the manifest alone."""
    path = folder / MANIFEST
    try:
        with open_regular(path) as file:
            text = file.read(_MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        raise ArtifactError(f"{path}: cannot read the manifest ({error.strerror})") from error
    if len(text) > _MAX_MANIFEST_BYTES:
        raise ArtifactError(f"{path}: over {_MAX_MANIFEST_BYTES} bytes; this is not a manifest")
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "manifest"
        raise ArtifactError(f"{path}: {where}: {first['msg']}; publish the artifact again") from error
    for name in (*manifest.arrays, *manifest.files):
        if not _FILE_NAME.fullmatch(name):
            raise ArtifactError(f"{path}: {name!r} is not a name of a file in an artifact")
    return manifest


def read(folder: Path, *, name: str, version: str) -> Artifact:
    """Validate every file of an artifact, then map its arrays.

    Raises:
        ArtifactError: anything is not exactly as the manifest says, not finite, or ids are not
            sorted and unique. Nothing has been handed to a parser of its own by then.
    """
    manifest = read_manifest(folder)
    if (manifest.name, manifest.version) != (name, version):
        seen = f"{manifest.name}/{manifest.version}"
        raise ArtifactError(f"{folder}: the manifest is of {seen}, wanted {name}/{version}")
    for file_name, file_entry in manifest.files.items():
        check_file(folder / file_name, file_entry)
    arrays = {key: map_array(folder / f"{key}.npy", entry) for key, entry in manifest.arrays.items()}
    for key, id_type in (("item_ids", manifest.item_id_type), ("user_ids", manifest.user_id_type)):
        if key in arrays:
            _check_ids(folder, key, arrays[key], id_type)
    if _version(manifest) != version:
        raise ArtifactError(f"{folder}: the manifest does not describe version {version}; it was changed afterwards")
    note_validated(folder, {**manifest.files, **{f"{key}.npy": entry for key, entry in manifest.arrays.items()}})
    return Artifact(manifest, arrays, folder)


def _check_ids(folder: Path, key: str, ids: NDArray[Any], id_type: IdType) -> None:
    if ids.ndim != 1 or id_type_of(ids) != id_type:
        raise ArtifactError(f"{folder}: {key} is {ids.dtype} {ids.shape}, the manifest says {id_type}")
    if not all((chunk[:-1] < chunk[1:]).all() for chunk in chunks(ids, overlap=1)):
        raise ArtifactError(f"{folder}: {key} are not unique and sorted ascending")
