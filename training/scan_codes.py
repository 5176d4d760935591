"""Codes of item vectors for `service.scan_kernels`: 8 bits for a number, and how far they are from it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.array_types import Bytes, Floats
from service.nibbles import BYTES, NUMBERS
from service.scan_kernels import COARSE_ERROR, ERROR, LENGTH, SCALE, ScanCodes

MIN_ITEMS, MIN_DIM = 4096, 64
"""A scan of less is quick without."""
SLAB = 4096
CODES, MIDDLE = 256, 127.5
ROUNDING_UP = 1 + 1e-6


def encode(vectors: Floats) -> ScanCodes:
    """Code item vectors (n, dim): code c stands for (c − 127.5) · scale, the scale being the item's own."""
    n, dim = vectors.shape
    lines = -(-dim // NUMBERS)
    codes = np.zeros((2 * lines, n, BYTES), np.uint8)
    bounds = np.zeros((4, n), np.float32)
    for low in range(0, n, SLAB):
        part = slice(low, low + SLAB)
        X = vectors[part].astype(np.float64)
        scales = np.maximum(np.abs(X).max(axis=1, initial=0) / MIDDLE, np.finfo(np.float32).tiny).astype(np.float32)
        ratio = X / scales[:, None]
        whole = np.clip(np.floor(ratio + (MIDDLE + 0.5)), 0, CODES - 1)
        upper = whole // 16 * 16 + (15 / 2)
        bounds[SCALE, part] = scales
        for row, missed in (
            (LENGTH, ratio),
            (COARSE_ERROR, ratio - (upper - MIDDLE)),
            (ERROR, ratio - (whole - MIDDLE)),
        ):
            bounds[row, part] = np.linalg.norm(missed, axis=1) * scales * ROUNDING_UP
        codes[:lines, part] = _packed(whole.astype(np.uint8) >> 4, lines)
        codes[lines:, part] = _packed(whole.astype(np.uint8) & 15, lines)
    return ScanCodes(codes, bounds)


def worthwhile(vectors: Floats) -> bool:
    """Whether codes make the exact ranking by these vectors faster."""
    return len(vectors) >= MIN_ITEMS and vectors.shape[1] >= MIN_DIM


def arrays(codes: ScanCodes) -> dict[str, NDArray[Any]]:
    """Lay codes out."""
    return {"scan_codes": codes.codes, "scan_bounds": codes.bounds}


def _packed(numbers: Bytes, lines: int) -> Bytes:
    """Pack numbers below 16, (n, dim), into (lines, n, 64) as `service.nibbles` reads them."""
    padded = np.zeros((len(numbers), lines, 2, BYTES), np.uint8)
    padded.reshape(len(numbers), lines * NUMBERS)[:, : numbers.shape[1]] = numbers
    return (padded[:, :, 0] | padded[:, :, 1] << 4).astype(np.uint8).swapaxes(0, 1)
