"""Writes the items of an answer as JSON, byte by byte: serial, nogil, compiled once and cached.

Texts are UTF-8 bytes in one array; text i is `texts[starts[i] : starts[i + 1] - 1]`, the byte left out
being a separator, and PIECE bytes follow the last one. Scores come as JSON numbers with commas between, as orjson
writes an array.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from service.array_types import Bytes, Ints
from service.copying import PIECE, append
from service.prefetch import prefetch

Starts = NDArray[np.int64]


def _constant(text: bytes) -> Bytes:
    return np.frombuffer(text + bytes(PIECE), np.uint8)


_ITEM, _SCORE, _CG, _RANK = map(_constant, (b'{"item_id":', b',"score":', b',"cg":', b',"cg_rank":'))
_FILL, _MIX_FILL = map(_constant, (b'null,"fill":true', b',"cg":null,"cg_rank":null'))
_COMMA, _END, _ZERO = ord(","), ord("}"), ord("0")
ROOM = 128
"""No item needs more bytes than this beside its texts: the keys, numbers of at most 20 bytes, and PIECE."""


@njit(nogil=True, cache=True)
def _append_constant(out: Bytes, size: int, constant: Bytes) -> int:
    return append(out, size, constant, 0, len(constant) - PIECE)


@njit(nogil=True, cache=True)
def _fetched(texts: Bytes, starts: Starts, chosen: Ints) -> Starts:
    """Return (n, 2) where the chosen texts begin and end, and have them brought near: all at once, not one by one."""
    spans = np.empty((len(chosen), 2), np.int64)
    for place in range(len(chosen)):
        spans[place, 0], spans[place, 1] = starts[chosen[place]], starts[chosen[place] + 1] - 1
        prefetch(texts, spans[place, 0])
    return spans


@njit(nogil=True, cache=True)
def _append_text(out: Bytes, size: int, texts: Bytes, starts: Starts, text: int) -> int:
    return append(out, size, texts, starts[text], starts[text + 1] - 1)


@njit(nogil=True, cache=True)
def _append_number(out: Bytes, size: int, scores: Bytes, at: int) -> tuple[int, int]:
    """Append the number that begins at scores[at]; also return where the next one begins."""
    while at < len(scores) and scores[at] != _COMMA:
        out[size] = scores[at]
        size, at = size + 1, at + 1
    return size, at + 1


@njit(nogil=True, cache=True)
def _whole(out: Bytes, size: int, number: int) -> int:
    """Append a whole number ≥ 0."""
    digits, rest = 1, number // 10
    while rest:
        digits, rest = digits + 1, rest // 10
    for place in range(size + digits - 1, size - 1, -1):
        out[place] = _ZERO + number % 10
        number //= 10
    return size + digits


@njit(nogil=True, cache=True)
def write_items(texts: Bytes, starts: Starts, longest: int, items: Ints, scores: Bytes) -> Bytes:
    """Write `{"item_id": …, "score": …}` of every item, a comma after each.

    texts, starts: the ids of all items; longest: bytes of the longest of them.
    """
    out = np.empty(len(items) * (longest + ROOM), np.uint8)
    ids, size, at = _fetched(texts, starts, items), 0, 0
    for place in range(len(items)):
        size = _append_constant(out, size, _ITEM)
        size = append(out, size, texts, ids[place, 0], ids[place, 1])
        size = _append_constant(out, size, _SCORE)
        size, at = _append_number(out, size, scores, at)
        out[size], out[size + 1] = _END, _COMMA
        size += 2
    return out[:size]


@njit(nogil=True, cache=True)
def write_fill(texts: Bytes, starts: Starts, longest: int, items: Ints, of_mix: bool) -> Bytes:
    """Write items that only fill up, in an answer of one generator or of a mix."""
    out = np.empty(len(items) * (longest + ROOM), np.uint8)
    ids, size = _fetched(texts, starts, items), 0
    for place in range(len(items)):
        size = _append_constant(out, size, _ITEM)
        size = append(out, size, texts, ids[place, 0], ids[place, 1])
        size = _append_constant(out, size, _SCORE)
        size = _append_constant(out, size, _FILL)
        if of_mix:
            size = _append_constant(out, size, _MIX_FILL)
        out[size], out[size + 1] = _END, _COMMA
        size += 2
    return out[:size]


@njit(nogil=True, cache=True)
def write_blend(
    texts: Bytes,
    starts: Starts,
    longest: int,
    items: Ints,
    scores: Bytes,
    names: Bytes,
    name_starts: Starts,
    cgs: Ints,
    ranks: Ints,
) -> Bytes:
    """Write the items of a mix; cgs: for each the row in `names` of the generator that supplied it."""
    out = np.empty(len(items) * (longest + len(names) + ROOM), np.uint8)
    ids, size, at = _fetched(texts, starts, items), 0, 0
    for place in range(len(items)):
        size = _append_constant(out, size, _ITEM)
        size = append(out, size, texts, ids[place, 0], ids[place, 1])
        size = _append_constant(out, size, _SCORE)
        size, at = _append_number(out, size, scores, at)
        size = _append_constant(out, size, _CG)
        size = _append_text(out, size, names, name_starts, cgs[place])
        size = _append_constant(out, size, _RANK)
        size = _whole(out, size, ranks[place])
        out[size], out[size + 1] = _END, _COMMA
        size += 2
    return out[:size]


def warm_up() -> None:
    """Compile for the types it is called with: bytes are a read-only array, joined ones may be written to."""
    texts: Any = np.frombuffer(b"1," + bytes(PIECE), np.uint8)
    starts, items = np.array([0, 2], np.int64), np.zeros(1, np.int32)
    for mapped in (items, items.copy()):
        mapped.flags.writeable = mapped is items
        write_items(texts, starts, 1, mapped, texts)
        write_fill(texts, starts, 1, mapped, True)
        write_blend(texts, starts, 1, mapped, texts, texts, starts, mapped, mapped)
