import numpy as np
import pytest

from service.compact_kernels import CompactWeights, score_history_compact, warm_up
from tests import naive


def f4(values):
    return np.array(values, np.float32)


def i4(values):
    return np.array(values, np.int32)


@pytest.mark.parametrize("n_history", [0, 1, 3, 4, 5, 9])
@pytest.mark.parametrize("n_columns", [1, 5, 12])
@pytest.mark.parametrize("read_only", [False, True])
def test_it_is_history_times_the_matrix_that_it_stands_for(n_history, n_columns, read_only):
    rng = np.random.default_rng(n_history)
    n = 12
    columns = rng.permutation(n)[:n_columns].astype(np.int32)
    codes = rng.integers(-127, 128, (n, n_columns)).astype(np.int8)
    scales = rng.uniform(0.01, 2, n).astype(np.float32)
    largest_columns = np.stack([np.sort(rng.choice(n, 2, replace=False)) for _ in range(n)]).ravel().astype(np.int32)
    largest = rng.normal(size=2 * n).astype(np.float32)
    W = CompactWeights(np.arange(n + 1) * 2, largest_columns, largest, columns, codes, scales)
    items = np.sort(rng.choice(n, n_history, replace=False)).astype(np.int32)
    weights = rng.uniform(0.5, 4, n_history).astype(np.float32)
    for array in W:
        array.flags.writeable = not read_only
    found = score_history_compact(W, items, weights)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, naive.score_history(naive.compact_matrix(W), items, weights), atol=1e-2)


def test_warm_up_runs():
    warm_up()
