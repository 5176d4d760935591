"""Codes of item vectors for `service.scan_kernels`: 8 bits for a number, and how far scores by them may be off.

By Cauchy and Schwarz a score by codes is off by no more than |query| · |vector − codes|, and by that much where the two
point the same way. But what rounding takes away points anywhere: its cosine with a query is about that of two random
directions, normal with deviation 1 / √dim (the argument of RaBitQ, Gao & Long 2024). So where a model's queries are
known, bounds allow for cosines up to SURE deviations, or to those that were seen and some more if that is larger.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.array_types import Bytes, Doubles, Floats
from service.nibbles import BYTES, GROUP, LANES, NUMBERS
from service.scan_estimates import COARSE_ERROR, ERROR, LARGEST, LENGTH, SCALE, ScanCodes

MIN_ITEMS, MIN_DIM = 4096, 64
"""A scan of less is quick without."""
SLAB = 4096
CODES, MIDDLE = 256, 127.5
ROUNDING_UP = 1 + 1e-6
SURE = 6.0
"""Deviations: more has odds of one in five hundred million."""
_MORE = 1.25
_SEEN = 256
"""Users, and items, whose cosines are looked at."""


def encode(vectors: Floats, queries: Floats | None = None) -> ScanCodes:
    """Code item vectors (n, dim): code c stands for (c − 127.5) · scale, the scale being the item's own.

    queries: (b, dim), such as will be asked, for bounds that surely enough hold for them; None: they hold for all.
    """
    n, dim = vectors.shape
    seen = None if queries is None else _Cosines(queries, vectors)
    upper = np.zeros((-(-n // LANES), 2 * -(-dim // LANES), BYTES), np.uint8)
    lower = np.zeros((n, BYTES * -(-dim // NUMBERS)), np.uint8)
    bounds = np.zeros((4, n), np.float32)
    for low in range(0, n, SLAB):
        part = slice(low, low + SLAB)
        X = vectors[part].astype(np.float64)
        scales = np.maximum(np.abs(X).max(axis=1, initial=0) / MIDDLE, np.finfo(np.float32).tiny).astype(np.float32)
        ratio = X / scales[:, None]
        whole = np.clip(np.floor(ratio + (MIDDLE + 0.5)), 0, CODES - 1)
        coarse = whole // 16 * 16 + (15 / 2)
        bounds[SCALE, part] = scales
        for row, missed in (
            (LENGTH, ratio),
            (COARSE_ERROR, ratio - (coarse - MIDDLE)),
            (ERROR, ratio - (whole - MIDDLE)),
        ):
            bounds[row, part] = np.linalg.norm(missed, axis=1) * scales * ROUNDING_UP
            if seen:
                seen.see(missed, of_items=row == LENGTH)
        whole_bytes = whole.astype(np.uint8)
        blocks = slice(low // LANES, low // LANES + SLAB // LANES)
        upper[blocks] = _blocks(whole_bytes >> 4, *upper[blocks].shape[:2])
        lower[part] = _rows(whole_bytes & 15, lower.shape[1])
    if seen:
        bounds[[LENGTH, COARSE_ERROR, ERROR]] *= seen.bound
    return ScanCodes(upper, lower, bounds)


class _Cosines:
    """How far queries, and what their own codes miss, point the way of what is coded."""

    def __init__(self, queries: Floats, vectors: Floats) -> None:
        """Take queries (b, dim); items (n, dim) are queries too: of a history of one."""
        self._queries = _directions(np.concatenate([_spread(queries), _spread(vectors)]).astype(np.float64))
        units = np.abs(self._queries).max(axis=1, initial=0, keepdims=True) / LARGEST
        self._missed = _directions(self._queries - np.rint(self._queries / np.where(units, units, 1)) * units)
        self._largest = 0.0

    def see(self, coded: Doubles, *, of_items: bool) -> None:
        """Look at items, or at what their codes miss: (m, dim)."""
        cosines = (self._missed if of_items else self._queries) @ _directions(coded).T
        self._largest = max(self._largest, float(np.abs(cosines).max(initial=0)))

    @property
    def bound(self) -> float:
        """Return what surely enough no cosine will exceed."""
        return min(1.0, max(SURE / math.sqrt(self._queries.shape[1]), _MORE * self._largest))


def _spread(vectors: Floats) -> Floats:
    """Return up to _SEEN of them, evenly spaced."""
    return vectors[np.linspace(0, len(vectors) - 1, min(_SEEN, len(vectors))).astype(np.int64)]


def _directions(vectors: Doubles) -> Doubles:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions: Doubles = vectors / np.where(lengths, lengths, 1)
    return directions


def codes_for(vectors: Floats, queries: Floats) -> ScanCodes | None:
    """Return the codes of item vectors if they make the exact ranking by these vectors faster."""
    return encode(vectors, queries) if worthwhile(vectors) else None


def worthwhile(vectors: Floats) -> bool:
    """Whether codes make the exact ranking by these vectors faster."""
    return len(vectors) >= MIN_ITEMS and vectors.shape[1] >= MIN_DIM


def arrays(codes: ScanCodes) -> dict[str, NDArray[Any]]:
    """Lay codes out."""
    return {"scan_upper": codes.upper, "scan_lower": codes.lower, "scan_bounds": codes.bounds}


def _rows(numbers: Bytes, row_bytes: int) -> Bytes:
    """Pack numbers below 16, (n, dim), as `nibbles.dot_of` reads them."""
    padded = np.zeros((len(numbers), 2 * row_bytes), np.uint8)
    padded[:, : numbers.shape[1]] = numbers
    halves = padded.reshape(len(numbers), -1, 2, BYTES)
    packed = halves[:, :, 0] | halves[:, :, 1] << 4
    return packed.astype(np.uint8).reshape(len(numbers), row_bytes)


def _blocks(numbers: Bytes, n_blocks: int, n_lines: int) -> Bytes:
    """Pack numbers below 16, (n, dim), as `nibbles.blocks_dots` reads them."""
    padded = np.zeros((n_blocks * LANES, n_lines * 2 * GROUP), np.uint8)
    padded[: len(numbers), : numbers.shape[1]] = numbers
    halves = padded.reshape(n_blocks, LANES, n_lines, 2, GROUP).transpose(3, 0, 2, 1, 4)
    packed: Bytes = (halves[0] | halves[1] << 4).astype(np.uint8)
    return packed.reshape(n_blocks, n_lines, BYTES)
