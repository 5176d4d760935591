"""Ids of users and items: their type, how they are parsed, and the index from id to row.

An id is a Python int (releases trained on int64 or uint64 columns) or a str (string columns).
As an array, ids are int64, uint64, or fixed-width bytes holding UTF-8; sorted ascending, so that
an array mapped from disk is its own index (binary search) and row order is id order.
"""

import contextlib
import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from service.array_types import Ints
from service.errors import ArtifactError

Id: TypeAlias = int | str
IdType = Literal["int64", "uint64", "string"]
IdArray: TypeAlias = NDArray[Any]

MAX_STRING_ID_BYTES = 256
INTEGER_PATTERN = r"^(0|-?[1-9][0-9]{0,19})$"
_INTEGER = re.compile(INTEGER_PATTERN, re.ASCII)
_LOWEST, _HIGHEST = -(2**63), 2**64 - 1


def id_type_of(ids: IdArray) -> IdType:
    """Return the id type that an array of ids has."""
    if ids.dtype == np.int64:
        return "int64"
    if ids.dtype == np.uint64:
        return "uint64"
    if ids.dtype.kind == "S":
        return "string"
    raise ArtifactError(f"ids have dtype {ids.dtype}; wanted int64, uint64 or bytes (S)")


def parse_id(value: object, id_type: IdType) -> Id:
    """Turn what a caller sent (text or a JSON value) into an id of the release's type.

    Raises:
        ValueError: not an id of that type. An integer outside of the *column's* type but
            within −2^63 … 2^64−1 is valid: it is merely unknown.
    """
    if id_type == "string":
        return _parse_string(value)
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not _LOWEST <= value <= _HIGHEST:
        raise ValueError(
            f"{_shown(value)} is not an id of this release; its ids are integers from -2^63 to 2^64-1 in plain decimal"
        )
    return value


def ids_of_texts(texts: Iterable[str], id_type: IdType) -> list[Id]:
    """Return the ids among texts; what cannot be an id of the type is left out."""
    found: list[Id] = []
    for text in texts:
        with contextlib.suppress(ValueError):
            found.append(parse_id(text, id_type))
    return found


def _parse_string(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{_shown(value)} is not an id of this release; its ids are strings")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise ValueError("the id holds a lone surrogate; ids are valid Unicode text") from None
    if not 0 < size <= MAX_STRING_ID_BYTES or "\0" in value:
        raise ValueError(
            f"{_shown(value)} ({size} bytes) is not an id of this release; "
            f"its ids are strings of 1 to {MAX_STRING_ID_BYTES} bytes without NUL"
        )
    return value


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # an int beyond Python's limit of digits
        return "a number of thousands of digits"
    return text if len(text) <= 60 else text[:57] + "…"


class IdIndex:
    """Sorted unique ids and the way from an id to its row; a view on the array, no copy."""

    __slots__ = ("_highest", "_lowest", "ids", "type")

    def __init__(self, ids: IdArray) -> None:
        """Take ids (n,), sorted ascending and unique (checked where artifacts are read)."""
        self.ids = ids
        self.type: IdType = id_type_of(ids)
        bounds = None if self.type == "string" else np.iinfo(ids.dtype)  # which works them out whenever it is asked
        self._lowest, self._highest = (int(bounds.min), int(bounds.max)) if bounds else (0, -1)

    def __len__(self) -> int:
        return len(self.ids)

    def row(self, key: Id | None) -> int:
        """Return the row of an id, −1 if it is unknown or None."""
        probe = self._probe(key)
        if probe is None:
            return -1
        row = int(self.ids.searchsorted(probe))
        return row if row < len(self.ids) and self.ids[row] == probe else -1

    def rows(self, keys: Iterable[Id | None]) -> Ints:
        """Return the row of each id, −1 where it is unknown or None."""
        return np.fromiter((self.row(key) for key in keys), np.int32)

    def rows_of(self, ids: IdArray) -> Ints:
        """Return the row of each id of an array of the same type, −1 where it is unknown."""
        if not len(self.ids):
            return np.full(len(ids), -1, np.int32)
        rows = self.ids.searchsorted(ids)
        rows[rows == len(self.ids)] = 0
        return np.where(self.ids[rows] == ids, rows, -1).astype(np.int32)

    def ids_of(self, rows: Ints) -> list[Id]:
        """Return the ids at rows, as Python values."""
        found: list[Any] = self.ids[rows].tolist()
        return [value.decode() for value in found] if self.type == "string" else found

    def _probe(self, key: Id | None) -> Any:
        """Return the id as a scalar of the array's dtype, None where that type cannot hold it."""
        if key is None:
            return None
        if isinstance(key, str):
            raw = key.encode()
            return np.bytes_(raw) if self.type == "string" and len(raw) <= self.ids.itemsize else None
        if not self._lowest <= key <= self._highest:
            return None
        return self.ids.dtype.type(key)


def union(arrays: Sequence[IdArray]) -> IdArray:
    """Return the sorted union of id arrays of one type; the first itself if it holds them all."""
    first = arrays[0]
    index = IdIndex(first)
    if all(other is first or (index.rows_of(other) >= 0).all() for other in arrays[1:]):
        return first
    return np.unique(np.concatenate(arrays))
