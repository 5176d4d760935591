import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.naive import keep_largest as naive_keep_largest
from training import top_weights
from training.top_weights import keep_largest


def test_by_size_not_by_value_and_zeros_are_no_entries():
    W = np.array([[0, -3, 2, 1], [5, 0, 0, 0], [0, 0, 0, 0]], np.float32)
    pruned = keep_largest(W, 2)
    np.testing.assert_array_equal(pruned.toarray(), [[0, -3, 2, 0], [5, 0, 0, 0], [0, 0, 0, 0]])
    assert pruned.indices.tolist() == [1, 2, 0]
    assert pruned.dtype == np.float32


def test_first_columns_stay_among_equals():
    assert keep_largest(np.array([[1, -2, 2, -1, 2, 1]], np.float32), 4).indices.tolist() == [0, 1, 2, 4]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 9), st.integers(1, 12), st.booleans())
def test_like_the_naive_twin(seed, rows, columns, k, sparse):
    # small integers: many ties and zeros
    W = np.random.default_rng(seed).integers(-3, 4, (rows, columns)).astype(np.float32)
    pruned = keep_largest(sp.csr_array(W) if sparse else W, k)
    np.testing.assert_array_equal(pruned.toarray(), naive_keep_largest(W, k))
    assert pruned.nnz == np.count_nonzero(pruned.toarray())


def test_slabs_smaller_than_the_matrix(monkeypatch):
    W = np.random.default_rng(0).standard_normal((50, 30)).astype(np.float32)
    whole = keep_largest(W, 4).toarray()
    monkeypatch.setattr(top_weights, "SLAB", 7)
    np.testing.assert_array_equal(keep_largest(W, 4).toarray(), whole)


def test_views_and_no_columns():
    W = np.arange(12, dtype=np.float32).reshape(3, 4)
    np.testing.assert_array_equal(keep_largest(W.T, 3).toarray(), W.T)
    assert keep_largest(np.zeros((2, 0), np.float32), 3).shape == (2, 0)


def test_k_below_one():
    with pytest.raises(ValueError, match="at least 1"):
        keep_largest(np.eye(2, dtype=np.float32), 0)
