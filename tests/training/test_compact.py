import numpy as np
import pytest
import scipy.sparse as sp

from tests import naive
from training import compact


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    n = 60
    W = rng.normal(size=(n, n)).astype(np.float32) ** 3
    np.fill_diagonal(W, 0)
    X = sp.csr_array((rng.random((40, n)) < 0.2).astype(np.float32))
    return W, X


def test_all_columns_are_the_matrix_but_for_rounding(case):
    W, X = case
    small = compact.compress(W, X, k=5, n_columns=60, seed=0)
    dense = naive.compact_matrix(small)
    rest = np.sort(np.abs(W), axis=1)[:, -6]  # the largest that is coded
    assert (np.abs(dense - W).max(axis=1) <= 0.5 * rest / 7 + 1e-6).all()
    for row, weights in enumerate(W):
        kept = np.argsort(-np.abs(weights))[:5]
        np.testing.assert_array_equal(dense[row, kept].astype(np.float32), weights[kept])


def test_scores_are_those_of_the_matrix_it_stands_for(case):
    W, X = case
    small = compact.compress(W, X, k=3, n_columns=22, seed=0)  # less than what is summed at a time
    X.data *= np.random.default_rng(1).choice([1, 10], len(X.data)).astype(np.float32)
    wanted = [naive.score_compact(small, X[[user]].indices, X[[user]].data) for user in range(X.shape[0])]
    assert not np.allclose(wanted, X @ naive.compact_matrix(small), atol=1e-2)  # some rows are too small to be read
    np.testing.assert_allclose(compact.scores(X, small), wanted, atol=1e-3)


def test_columns_are_those_that_users_get(case, monkeypatch):
    W, X = case
    best = [31, 7, 45]
    W[:, best] += [30, 20, 10]
    monkeypatch.setattr(compact, "DEPTH", 3)
    assert set(compact.compress(W, X, k=1, n_columns=3, seed=0).columns) == set(best)
    assert set(compact.compress(W, X, k=1, n_columns=99, seed=0).columns) == set(range(60))


def test_a_row_of_zeros_has_finite_scales(case):
    W, X = case
    W[4] = 0
    small = compact.compress(W, X, k=2, n_columns=10, seed=0)
    assert np.isfinite(small.scales).all()
    assert not naive.compact_matrix(small)[4].any()
