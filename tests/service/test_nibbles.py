"""The packed dot product against numpy's."""

import numpy as np
import pytest

from service.nibbles import BYTES, NUMBERS, nibble_dot


@pytest.mark.parametrize("lines", [1, 2, 3])
def test_nibble_dot(lines):
    rng = np.random.default_rng(lines)
    packed = rng.integers(0, 256, (5, lines, BYTES)).astype(np.uint8)
    query = rng.integers(-128, 128, lines * NUMBERS).astype(np.int8)
    packed[0], packed[1] = 255, 0  # the largest sums
    numbers = np.concatenate([packed & 15, packed >> 4], axis=2).reshape(5, -1)
    wanted = numbers.astype(np.int64) @ query
    flat = packed.ravel()
    assert [nibble_dot(flat, item * lines * BYTES, query) for item in range(5)] == wanted.tolist()


def test_the_largest_sums_do_not_overflow():
    packed, query = np.full(3 * BYTES, 255, np.uint8), np.full(3 * NUMBERS, -128, np.int8)
    assert nibble_dot(packed, 0, query) == 3 * NUMBERS * 15 * -128
