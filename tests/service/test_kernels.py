import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from service import kernels
from tests import naive

QUICK = settings(max_examples=200, deadline=None)


def f4(values):
    return np.array(values, np.float32)


def i4(values):
    return np.array(values, np.int32)


@pytest.mark.parametrize("n_history", [0, 1, 3, 4, 5, 8, 11])
@pytest.mark.parametrize("read_only", [False, True])
def test_score_history_dense_and_sparse(n_history, read_only):
    rng = np.random.default_rng(n_history)
    W = np.where(rng.random((12, 12)) < 0.5, rng.normal(size=(12, 12)), 0).astype(np.float32)
    sparse = csr_array(W)
    items = np.sort(rng.choice(12, n_history, replace=False)).astype(np.int32)
    weights = rng.uniform(0.5, 4, n_history).astype(np.float32)
    indptr, columns = sparse.indptr.astype(np.int64), sparse.indices.astype(np.int32)
    for array in (W, indptr, columns, sparse.data):
        array.flags.writeable = not read_only
    wanted = naive.score_history(W, items, weights)
    dense = kernels.score_history_dense(W, items, weights)
    assert dense.dtype == np.float32
    np.testing.assert_allclose(dense, wanted, atol=1e-5)
    found = kernels.score_history_sparse(indptr, columns, sparse.data, 12, items, weights)
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_score_history_reads_rows_of_the_history_not_columns():
    W = f4([[0, 7], [0, 0]])
    assert kernels.score_history_dense(W, i4([0]), f4([2])).tolist() == [0, 14]


@QUICK
@given(st.data())
def test_first_eligible(data):
    n = data.draw(st.integers(1, 20))
    order = data.draw(st.permutations(range(n)))[: data.draw(st.integers(0, n))]
    excluded = sorted(data.draw(st.sets(st.integers(0, n - 1))))
    allowed = data.draw(st.just([]) | st.lists(st.booleans(), min_size=n, max_size=n))
    k = data.draw(st.integers(0, 25))
    found = kernels.first_eligible(i4(order), i4(excluded), np.array(allowed, np.bool_), k)
    assert found.tolist() == naive.first_eligible(order, excluded, allowed, k)


def test_warm_up_runs():
    kernels.warm_up()
