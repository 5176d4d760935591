"""Codes of item vectors for `service.scan_kernels`: 8 bits for a number, and how far they are from it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.array_types import Bytes, Floats
from service.nibbles import BYTES, GROUP, LANES, NUMBERS
from service.scan_estimates import COARSE_ERROR, ERROR, LENGTH, SCALE, ScanCodes

MIN_ITEMS, MIN_DIM = 4096, 64
"""A scan of less is quick without."""
SLAB = 4096
CODES, MIDDLE = 256, 127.5
ROUNDING_UP = 1 + 1e-6


def encode(vectors: Floats) -> ScanCodes:
    """Code item vectors (n, dim): code c stands for (c − 127.5) · scale, the scale being the item's own."""
    n, dim = vectors.shape
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
        whole_bytes = whole.astype(np.uint8)
        blocks = slice(low // LANES, low // LANES + SLAB // LANES)
        upper[blocks] = _blocks(whole_bytes >> 4, *upper[blocks].shape[:2])
        lower[part] = _rows(whole_bytes & 15, lower.shape[1])
    return ScanCodes(upper, lower, bounds)


def codes_for(vectors: Floats) -> ScanCodes | None:
    """Return the codes of item vectors if they make the exact ranking by these vectors faster."""
    return encode(vectors) if worthwhile(vectors) else None


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
    """Pack numbers below 16, (n, dim), as `nibbles.block_dots` reads them."""
    padded = np.zeros((n_blocks * LANES, n_lines * 2 * GROUP), np.uint8)
    padded[: len(numbers), : numbers.shape[1]] = numbers
    halves = padded.reshape(n_blocks, LANES, n_lines, 2, GROUP).transpose(3, 0, 2, 1, 4)
    packed: Bytes = (halves[0] | halves[1] << 4).astype(np.uint8)
    return packed.reshape(n_blocks, n_lines, BYTES)
