"""The packed dot products against numpy's."""

import numpy as np
import pytest

from service.nibbles import BYTES, NUMBERS, add_dots, dot_of


@pytest.mark.parametrize("lines", [1, 2, 3])
def test_dot_products(lines):
    rng = np.random.default_rng(lines)
    packed = rng.integers(0, 256, (lines, 5, BYTES)).astype(np.uint8)
    packed[:, 0], packed[:, 1] = 255, 0
    query = rng.integers(-128, 128, lines * NUMBERS).astype(np.int8)
    numbers = np.hstack([half for line in packed for half in (line & 15, line >> 4)])
    found = [dot_of(packed.ravel(), item * BYTES, 5 * BYTES, query) for item in range(5)]
    assert found == (numbers.astype(np.int64) @ query).tolist()
    sums = np.arange(5, dtype=np.int32)
    add_dots(packed[-1], query[-NUMBERS:], sums)
    assert sums.tolist() == (np.arange(5) + numbers[:, -NUMBERS:].astype(np.int64) @ query[-NUMBERS:]).tolist()


def test_the_largest_sums_do_not_overflow():
    packed, query = np.full((3, 1, BYTES), 255, np.uint8), np.full(3 * NUMBERS, -128, np.int8)
    assert dot_of(packed.ravel(), 0, BYTES, query) == 3 * NUMBERS * 15 * -128
