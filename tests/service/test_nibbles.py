"""Sums of packed products against numpy's, as this processor makes them and as others do."""

import numpy as np
import pytest
from numba import njit

from service import nibbles
from service.nibbles import BLOCKS, BYTES, MANY, NUMBERS, ORDER, ROWS


def unpacked(lines):
    """Numbers (…, 128) of lines (…, 64), the lower halves of the bytes first."""
    return np.concatenate([lines & 15, lines >> 4], axis=-1).astype(np.int64)


@pytest.fixture(scope="module", params=[True, False], ids=["native", "any processor"])
def kernels(request):
    """The operations, compiled anew."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nibbles, "VNNI", nibbles.VNNI and request.param)
        yield _compiled()


def _compiled():
    lines_dot, add_rows, blocks_dots = nibbles._lines_dot, nibbles.add_rows, nibbles.blocks_dots

    @njit
    def dot(packed, start, lines, query):
        return lines_dot(packed, start, lines, query)

    @njit
    def blocks(n_queries, packed, block, last, steps, queries, apart, sums, first, between):
        blocks_dots(packed, block, last, steps, queries, apart, sums, first, between, n_queries)

    @njit
    def rows(packed, starts, row, ahead, shift, lines, factors, sums, first):
        add_rows(packed, starts, row, ahead, shift, lines, factors, sums, first)

    return dot, blocks, rows


def drawn(rng, *shape):
    values = rng.integers(0, 256, shape).astype(np.uint8)
    values.flat[: BYTES // 2], values.flat[BYTES // 2 : BYTES] = 255, 0
    return values


@pytest.mark.parametrize("lines", [1, 2])
def test_lines(kernels, lines):
    rng = np.random.default_rng(lines)
    vectors, query = drawn(rng, 5, lines, BYTES), rng.integers(-128, 128, lines * NUMBERS).astype(np.int8)
    found = [kernels[0](vectors.ravel(), first * lines * BYTES, lines, query) for first in range(5)]
    assert found == (unpacked(vectors).reshape(5, -1) @ query).tolist()


@pytest.mark.parametrize("left", [1, 3, BLOCKS, BLOCKS + 2])
@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("n_queries", range(1, MANY + 1))
def test_blocks(kernels, left, steps, n_queries):
    rng = np.random.default_rng(steps)
    blocks, begin, room = drawn(rng, 2 + left, 2 * steps, BYTES), 2, 16 * (BLOCKS + 2)
    queries = rng.integers(-128, 128, (n_queries, 16 * steps + 4)).astype(np.int8)
    sums = np.zeros((n_queries, room), np.int32)
    where = blocks.ravel(), begin, begin + left - 1, steps
    kernels[1](n_queries, *where, queries.ravel(), 16 * steps + 4, sums.ravel(), 16, room)
    taken = blocks[begin : begin + BLOCKS]
    vectors = np.stack([taken & 15, taken >> 4], axis=2).reshape(len(taken), 2 * steps, 2, 16, 4)
    vectors = np.moveaxis(vectors, 3, 1).reshape(16 * len(taken), 16 * steps).astype(np.int64)
    wanted = np.zeros((n_queries, room), np.int64)
    wanted[:, 16 : 16 + len(vectors)] = queries[:, : 16 * steps] @ vectors.T
    assert sums.tolist() == wanted.tolist()


@pytest.mark.parametrize("lines", [1, 3])
def test_rows(kernels, lines):
    rng = np.random.default_rng(lines)
    table, factors = drawn(rng, 9, 4, BYTES), rng.integers(-128, 128, 2 * ROWS).astype(np.int8)
    rows = rng.integers(0, 9, 2 * ROWS)
    sums = np.arange(5 * NUMBERS, dtype=np.int32)
    kernels[2](table.ravel(), (rows * 4 + 1) * BYTES, ROWS, 0, BYTES, lines, factors, sums, NUMBERS)
    numbers = unpacked(table[rows[ROWS:], 1 : 1 + lines])[:, :, list(ORDER)].reshape(ROWS, lines * NUMBERS)
    wanted = np.arange(5 * NUMBERS)
    wanted[NUMBERS : (1 + lines) * NUMBERS] += factors[ROWS:].astype(np.int64) @ numbers
    assert sums.tolist() == wanted.tolist()


def test_several_lines_and_the_largest_sums():
    packed, query = np.full(3 * BYTES, 255, np.uint8), np.full(3 * NUMBERS, -128, np.int8)
    assert nibbles.dot_of(packed, 0, query) == 3 * NUMBERS * 15 * -128
