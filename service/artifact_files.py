"""The files of an artifact, one by one: written with size and SHA-256, believed only after a check against them."""

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from service import validated
from service.errors import ArtifactError

_CHUNK = 4 << 20
_DTYPE = re.compile(r"^(<i4|<i8|<u2|<u4|<u8|<f4|<f8|\|u1|\|i1|\|b1|\|S[1-9][0-9]{0,5})$")


class FileEntry(BaseModel):
    """Size and checksum of one file."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    size: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class ArrayEntry(FileEntry):
    """The same for an array, with what its header must say."""

    dtype: str = Field(pattern=_DTYPE.pattern)
    shape: tuple[int, ...] = Field(max_length=3)


def open_regular(path: Path) -> BinaryIO:
    """Open a file that is a plain file itself: no link out of the store, no pipe that blocks."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "not a regular file")
    return cast("BinaryIO", os.fdopen(descriptor, "rb"))


def sync_folder(folder: Path) -> None:
    """Make the entries of a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_array(path: Path, array: NDArray[Any]) -> ArrayEntry:
    """Write an array to a new .npy file, durably."""
    array = np.ascontiguousarray(array)
    if not _DTYPE.fullmatch(array.dtype.str):
        raise ArtifactError(f"{path.name}: dtype {array.dtype.str} cannot be stored in an artifact")
    with path.open("xb") as file:
        writer = _HashingWriter(file)
        np.lib.format.write_array(writer, array, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())
    return ArrayEntry(size=writer.size, sha256=writer.hexdigest(), dtype=array.dtype.str, shape=array.shape)


def write_file(path: Path, content: bytes) -> FileEntry:
    """Write a new file, durably."""
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return FileEntry(size=len(content), sha256=hashlib.sha256(content).hexdigest())


class _HashingWriter:
    """File-like object for numpy's writer; sums up what passes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._sha = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self._sha.update(data)
        self.size += len(data)
        return self._file.write(data)

    def hexdigest(self) -> str:
        return self._sha.hexdigest()


def map_array(path: Path, entry: ArrayEntry) -> NDArray[Any]:
    """Check a .npy file against its entry, then map it."""
    known = check_file(path, entry)
    with open_regular(path) as file:
        try:
            major = np.lib.format.read_magic(file)
            if major != (1, 0):
                raise ValueError(f"format version {major}")
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        except ValueError as error:
            raise ArtifactError(f"{path}: not a .npy file of version 1.0 ({error})") from error
        offset = file.tell()
    seen, wanted = (shape, dtype.str, fortran), (entry.shape, entry.dtype, False)
    if seen != wanted:
        raise ArtifactError(f"{path}: its header says {seen}, the manifest {wanted}")
    if entry.size - offset != int(np.prod(shape, dtype=object)) * dtype.itemsize:
        raise ArtifactError(f"{path}: {entry.size - offset} bytes of data do not make {shape} {dtype.str}")
    if entry.size == offset:
        array: NDArray[Any] = np.empty(shape, dtype)
    else:
        array = np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape).view(np.ndarray)
    if dtype.kind == "f" and not known and not all(np.isfinite(chunk).all() for chunk in chunks(array)):
        raise ArtifactError(f"{path}: holds NaN or infinite values; fit the model again")
    array.flags.writeable = False
    return array


def check_file(path: Path, entry: FileEntry) -> bool:
    """Check a file against its entry; return whether the very same file was validated before."""
    try:
        with open_regular(path) as file:
            seen = os.fstat(file.fileno())
            if seen.st_size != entry.size:
                raise ArtifactError(f"{path}: has {seen.st_size} bytes, the manifest says {entry.size}")
            if validated.knows(path, entry.sha256, seen):
                return True
            digest = hashlib.file_digest(cast("Any", file), "sha256").hexdigest()
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read ({error.strerror})") from error
    if digest != entry.sha256:
        raise ArtifactError(f"{path}: its SHA-256 is not the one in the manifest; the file is damaged")
    return False


def note_validated(folder: Path, entries: Mapping[str, FileEntry]) -> None:
    """Remember that files are what their entries say, for the next who asks."""
    for name, entry in entries.items():
        validated.note(folder / name, entry.sha256, (folder / name).lstat())


def chunks(array: NDArray[Any], overlap: int = 0) -> Iterator[NDArray[Any]]:
    """Return an array in pieces that a check needs little memory for; each with the first few of the next."""
    flat = array.reshape(-1)
    for start in range(0, len(flat), _CHUNK):
        yield flat[start : start + _CHUNK + overlap]
