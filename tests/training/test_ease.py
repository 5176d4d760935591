import numba
import numpy as np
import pytest
import scipy.sparse as sp
from pydantic import ValidationError
from sklearn.linear_model import Ridge
from threadpoolctl import threadpool_info

from training import ease
from training.ease import Config, fit, lower_gram
from training.spd_inverse import invert_spd


def interactions(users=60, items=23, seed=0, density=0.2):
    rng = np.random.default_rng(seed)
    dense = rng.integers(1, 6, (users, items)) * (rng.random((users, items)) < density)
    return sp.csr_array(dense.astype(np.float32))


def closed_form(X, lambd):
    P = np.linalg.inv(X.toarray().astype(np.float64).T @ X.toarray() + lambd * np.eye(X.shape[1]))
    B = -P / np.diag(P)
    np.fill_diagonal(B, 0)
    return B


def dense(W):
    return W.toarray() if sp.issparse(W) else W


@pytest.mark.parametrize(("precision", "error"), [("float32", 2e-6), ("float64", 1e-12)])
def test_closed_form(precision, error):
    X = interactions()
    W = fit(X, Config(lambd=3, precision=precision))
    assert W.dtype == precision
    np.testing.assert_allclose(W, closed_form(X, 3), rtol=0, atol=error)


@pytest.mark.parametrize("sparse_inv", [False, True])
def test_every_column_is_the_ridge_regression_on_the_other_items(sparse_inv):
    X = interactions()
    W = dense(fit(X, Config(lambd=3, precision="float64", sparse_inv=sparse_inv)))
    for j in range(X.shape[1]):
        others = X.toarray().astype(np.float64)
        target = others[:, j].copy()
        others[:, j] = 0
        ridge = Ridge(alpha=3, fit_intercept=False, solver="svd").fit(others, target)
        np.testing.assert_allclose(W[:, j], ridge.coef_, rtol=0, atol=1e-9)


def test_orientation_on_a_hand_computed_case():
    # G = [[2, 1], [1, 1]], λ = 1: B_01 = G_01 / (G_00 + λ) = 1/3, B_10 = G_01 / (G_11 + λ) = 1/2
    X = sp.csr_array(np.array([[1, 1], [1, 0]], np.float32))
    np.testing.assert_allclose(fit(X, Config(lambd=1)), [[0, 1 / 3], [1 / 2, 0]], rtol=1e-6)


@pytest.mark.parametrize("lambd", [0.1, 2.0, 500.0])
def test_sparse_agrees_with_dense(lambd):
    X = interactions(density=0.08)
    W = fit(X, Config(lambd=lambd, precision="float64", sparse_inv=True))
    assert isinstance(W, sp.csr_array)
    wanted = fit(X, Config(lambd=lambd, precision="float64"))
    np.testing.assert_allclose(W.toarray(), wanted, rtol=0, atol=1e-9)


def test_sparse_solves_in_blocks_and_stays_sparse(monkeypatch):
    monkeypatch.setattr(ease, "SOLVED_TOGETHER", 4)
    taste = interactions(30, 7).toarray()
    X = sp.csr_array(np.kron(np.eye(3), taste).astype(np.float32))  # three groups that share no user
    W = fit(X, Config(lambd=1, sparse_inv=True))
    assert W.dtype == np.float32
    assert W.nnz <= 3 * 7 * 6
    np.testing.assert_allclose(W.toarray(), closed_form(X, 1), rtol=0, atol=1e-6)


@pytest.mark.parametrize("sparse_inv", [False, True])
def test_diagonal_is_zero(sparse_inv):
    assert not dense(fit(interactions(), Config(sparse_inv=sparse_inv))).diagonal().any()


def test_gram_matrix_becomes_the_weights_without_a_copy(monkeypatch):
    grams = []

    def remembering(*given):
        grams.append(lower_gram(*given))
        return grams[0]

    monkeypatch.setattr(ease, "lower_gram", remembering)
    W = fit(interactions(), Config(lambd=3))
    assert np.shares_memory(W, grams[0])
    assert W.shape == grams[0].shape
    assert W.flags.c_contiguous


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_lower_gram(dtype):
    X = interactions()
    G = lower_gram(X, np.dtype(dtype))
    assert G.dtype == dtype
    np.testing.assert_array_equal(G, np.tril(X.toarray().T @ X.toarray()))


def test_unsorted_rows_are_understood():
    X = interactions()
    shuffled = X[:, ::-1].copy()
    shuffled.indices = X.shape[1] - 1 - shuffled.indices  # the same matrix, its rows from last to first item
    shuffled.has_sorted_indices = False
    np.testing.assert_array_equal(shuffled.toarray(), X.toarray())
    np.testing.assert_array_equal(fit(shuffled, Config()), fit(X, Config()))


def test_serve_top_k():
    X = interactions()
    whole, pruned = fit(X, Config(lambd=3)), fit(X, Config(lambd=3, serve_top_k=4))
    assert isinstance(pruned, sp.csr_array)
    assert np.diff(pruned.indptr).tolist() == [4] * X.shape[1]
    kept = pruned.toarray() != 0
    np.testing.assert_array_equal(pruned.toarray()[kept], whole[kept])
    both = fit(X, Config(lambd=3, serve_top_k=4, sparse_inv=True))
    np.testing.assert_allclose(both.toarray(), pruned.toarray(), rtol=0, atol=2e-6)


@pytest.mark.parametrize("sparse_inv", [False, True])
@pytest.mark.parametrize("shape", [(1, 5), (5, 1), (1, 1)])
def test_one_user_one_item(shape, sparse_inv):
    X = sp.csr_array(np.ones(shape, np.float32))
    W = dense(fit(X, Config(lambd=2, sparse_inv=sparse_inv)))
    np.testing.assert_allclose(W, closed_form(X, 2), rtol=0, atol=1e-6)


@pytest.mark.parametrize("sparse_inv", [False, True])
def test_items_that_nobody_had_weigh_nothing(sparse_inv):
    X = interactions().toarray()
    X[:, [0, 5]] = 0
    W = dense(fit(sp.csr_array(X), Config(sparse_inv=sparse_inv)))
    assert not W[[0, 5]].any()
    assert not W[:, [0, 5]].any()
    assert not dense(fit(sp.csr_array((3, 4), dtype=np.float32), Config(sparse_inv=sparse_inv))).any()


def test_lambda_lost_in_rounding_is_refused_with_the_remedy():
    X = sp.csr_array(np.full((4, 30), 1000, np.float32))
    with pytest.raises(ValueError, match=r"lambd = 0\.001 .*float32.*raise lambd or set precision=float64"):
        fit(X, Config(lambd=1e-3))
    W = fit(X, Config(lambd=1e-3, precision="float64"))
    np.testing.assert_allclose(W[1:, 0], np.full(29, 1 / 29), rtol=1e-5)  # the others' mean
    with pytest.raises(ValueError, match=r"float64 .*: raise lambd$"):
        fit(X, Config(lambd=1e-12, precision="float64"))


@pytest.mark.parametrize("wrong", [1.1, 0.9, np.nan])
def test_an_inverse_that_cannot_be_one_is_refused(monkeypatch, wrong):
    # two items without interactions: P_jj = 1 / λ = 1 / G_jj exactly, both bounds are tight
    monkeypatch.setattr(ease, "invert_spd", lambda G: wrong * np.linalg.inv(G))
    with pytest.raises(ValueError, match="out of its bounds"):
        fit(sp.csr_array((3, 2), dtype=np.float32), Config())


def test_values_that_are_not_finite_and_no_items_are_refused():
    X = interactions()
    X.data[3] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        fit(X, Config())
    with pytest.raises(ValueError, match="at least one item"):
        fit(sp.csr_array((3, 0), dtype=np.float32), Config())


def test_quality_on_a_checkerboard():
    # users like the items of their own parity; one of them is held out for each user
    users, items = 40, 20
    full = (np.add.outer(np.arange(users), np.arange(items)) % 2 == 0).astype(np.float32)
    X, held_out = full.copy(), (np.arange(users) % 2) + 2 * (np.arange(users) // 2 % (items // 2))
    assert full[np.arange(users), held_out].all()
    X[np.arange(users), held_out] = 0
    scores = X @ fit(sp.csr_array(X), Config(lambd=1))
    scores[X > 0] = -np.inf
    assert (scores.argmax(axis=1) == held_out).all()


def test_quality_band_on_a_noisy_checkerboard():
    # half of what a user had is held out: too good would be leakage, chance finds 5 of 30 items
    rng = np.random.default_rng(0)
    likes = np.add.outer(np.arange(300), np.arange(30)) % 2 == 0
    had = rng.random(likes.shape) < np.where(likes, 0.5, 0.05)
    train = had & (rng.random(likes.shape) < 0.5)
    X = train.astype(np.float32)
    scores = X @ fit(sp.csr_array(X), Config(lambd=20))
    scores[train] = -np.inf
    hits = np.take_along_axis(had & ~train, np.argsort(-scores, axis=1)[:, :5], 1)
    assert 0.28 < hits.mean() < 0.42  # 0.34 of a user's unseen liked items were had


@pytest.mark.parametrize(
    "bad", [{"lambd": 0}, {"lambd": -1}, {"serve_top_k": 0}, {"precision": "float16"}, {"lamda": 3}]
)
def test_config_is_checked(bad):
    with pytest.raises(ValidationError):
        Config(**bad)


def test_defaults_are_the_reference():
    config = Config()
    assert (config.lambd, config.sparse_inv, config.serve_top_k) == (0.1, False, None)


def test_threads_are_limited_and_restored(monkeypatch):
    def threads():
        pools = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
        return numba.get_num_threads(), pools

    seen = []

    def watched(G):
        seen.append(threads())
        return invert_spd(G)

    before = threads()
    monkeypatch.setattr(ease, "invert_spd", watched)
    fit(interactions(), Config(num_threads=1))
    assert seen == [(1, [1] * len(before[1]))]
    assert threads() == before
