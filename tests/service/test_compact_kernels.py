import numpy as np
import pytest

from service.compact_kernels import CompactWeights, score_history_compact, warm_up
from service.marked import marks_of
from tests import naive


def f4(values):
    return np.array(values, np.float32)


def i4(values):
    return np.array(values, np.int32)


@pytest.mark.parametrize("n_history", [0, 1, 3, 8, 9, 30])
@pytest.mark.parametrize("n_columns", [1, 5, 12, 128, 300, 3000])
@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("narrow", [np.uint16, np.int32])
def test_it_is_history_times_the_matrix_that_it_stands_for(n_history, n_columns, read_only, narrow):
    rng = np.random.default_rng(n_history)
    n = 40 if n_columns < 20 else 2 * n_columns
    columns = marks_of(rng.permutation(n)[:n_columns], n)
    codes = rng.integers(0, 256, (n, 64 * -(-n_columns // 128))).astype(np.uint8)
    scales = rng.uniform(0.01, 2, n).astype(np.float32)
    largest_columns = np.stack([np.sort(rng.choice(n, 2, replace=False)) for _ in range(n)]).ravel().astype(narrow)
    largest = rng.normal(size=2 * n).astype(np.float32)
    W = CompactWeights(np.arange(n + 1) * 2, largest_columns, largest, columns, codes, scales)
    items = np.sort(rng.choice(n, n_history, replace=False)).astype(np.int32)
    weights = rng.uniform(0.5, 4, n_history).astype(np.float32)
    for array in W:
        array.flags.writeable = not read_only
    found = score_history_compact(*W, items, weights)
    assert found.dtype == np.float32
    wanted = naive.score_compact(W, items, weights)
    half_a_unit = (scales[items] * weights).max(initial=0) / 127 / 2
    np.testing.assert_allclose(found, wanted, atol=1e-3 + half_a_unit * 8 * n_history)


@pytest.mark.parametrize("n_history", [15, 16, 17, 330])
def test_the_largest_codes_of_many_rows_do_not_overflow(n_history):
    """Where all factors are equal nothing is rounded: (14 − 7) · 0.5 of every row."""
    n = 330
    codes = np.full((n, 192), 14 + (14 << 4), np.uint8)
    nothing = np.zeros(n + 1, np.int64), np.empty(0, np.uint16), f4([])
    W = CompactWeights(*nothing, marks_of(np.arange(n), n), codes, np.full(n, 0.5, np.float32))
    found = score_history_compact(*W, np.arange(n_history, dtype=np.int32), np.ones(n_history, np.float32))
    np.testing.assert_allclose(found, np.full(n, 3.5 * n_history), rtol=1e-5)


@pytest.mark.parametrize(("n_small", "read"), [(10, False), (11, True)])
def test_of_the_rows_with_the_smallest_factors_only_the_largest_weights_are_read(n_small, read):
    """Ten squares of 9 beside one of 127 are 4.8 % of all, eleven are 5.2 %."""
    n, one = 128, np.ones(128, np.float32)
    codes = np.full((n, 64), 8 + (8 << 4), np.uint8)
    largest = np.arange(n + 1), np.full(n, 5, np.uint16), one
    weights = f4([127] + [9] * n_small)
    found = score_history_compact(*largest, marks_of(np.arange(n), n), codes, one, i4(range(len(weights))), weights)
    wanted = np.full(n, weights.sum() if read else 127)
    wanted[5] += weights.sum()
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_scales_of_zero_leave_the_largest_weights():
    W = CompactWeights(
        np.array([0, 1, 1]),
        np.array([1], np.uint16),
        f4([2]),
        marks_of([0], 2),
        np.zeros((2, 64), np.uint8),
        np.zeros(2, "f4"),
    )
    np.testing.assert_array_equal(score_history_compact(*W, i4([0, 1]), f4([1, 1])), f4([0, 2]))


def test_warm_up_runs():
    warm_up()
