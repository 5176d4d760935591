"""The items of an answer as JSON: ids are rendered once for a release, scores by orjson, the rest is copying."""

import functools
from collections.abc import Sequence

import numpy as np
import orjson
from numpy.typing import NDArray

from service import json_kernels
from service.array_types import Bytes, Ints
from service.cg.base import Candidates
from service.copying import PIECE
from service.ids import IdArray, IdIndex
from service.json_kernels import Starts


class Texts:
    """JSON texts in one array, a comma after each; see `json_kernels`."""

    __slots__ = ("bytes", "longest", "starts")

    def __init__(self, joined: bytes, starts: Starts) -> None:
        """Take the texts and where each begins, and the end of all."""
        self.bytes: Bytes = np.frombuffer(joined + bytes(PIECE), np.uint8)
        self.starts = starts
        self.longest = int(np.diff(starts).max(initial=0))

    @classmethod
    def of(cls, values: Sequence[object]) -> "Texts":
        """Render values one by one."""
        texts = [orjson.dumps(value) + b"," for value in values]
        return cls(b"".join(texts), np.cumsum([0, *map(len, texts)], dtype=np.int64))

    @classmethod
    def of_numbers(cls, numbers: IdArray) -> "Texts":
        """Render an array of integers: no Python object for each, since there may be millions."""
        joined = orjson.dumps(np.ascontiguousarray(numbers), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1] + b","
        ends = np.flatnonzero(np.frombuffer(joined, np.uint8) == ord(",")) + 1
        return cls(joined, np.concatenate([[0], ends[: len(numbers)]]).astype(np.int64))


class ItemJson:
    """Renders lists of items of one index."""

    def __init__(self, index: IdIndex, as_strings: bool) -> None:
        """Render all ids."""
        if index.type == "string":
            self._ids = Texts.of([raw.decode() for raw in index.ids.tolist()])
        elif as_strings:
            self._ids = Texts.of([str(key) for key in index.ids.tolist()])
        else:
            self._ids = Texts.of_numbers(index.ids)

    def items(self, own: Candidates, fill: Ints) -> bytes:
        """Return the array of an answer: candidates, then what fills up."""
        ids = self._ids
        scored = json_kernels.write_items(ids.bytes, ids.starts, ids.longest, own.items, _numbers(own.scores))
        return self._array(scored, fill, of_mix=False)

    def blend(self, own: Candidates, names: Sequence[str], cgs: Ints, ranks: Ints, fill: Ints) -> bytes:
        """Return the array of a mix; cgs: for every item a place in `names`."""
        ids, known = self._ids, _names(tuple(names))
        supplied = json_kernels.write_blend(
            ids.bytes, ids.starts, ids.longest, own.items, _numbers(own.scores), known.bytes, known.starts, cgs, ranks
        )
        return self._array(supplied, fill, of_mix=True)

    def _array(self, own: Bytes, fill: Ints, *, of_mix: bool) -> bytes:
        content = own.tobytes()
        if len(fill):
            ids = self._ids
            content += json_kernels.write_fill(ids.bytes, ids.starts, ids.longest, fill, of_mix).tobytes()
        return b"[%b]" % content[:-1]


@functools.lru_cache(maxsize=64)
def _names(names: tuple[str, ...]) -> Texts:
    """Remember: requests ask for the same generators."""
    return Texts.of(names)


def _numbers(scores: NDArray[np.float32]) -> Bytes:
    """Return float32 numbers in their shortest form that reads back the same, commas between."""
    return np.frombuffer(orjson.dumps(scores, option=orjson.OPT_SERIALIZE_NUMPY), np.uint8)[1:-1]
