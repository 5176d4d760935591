import numpy as np
import pytest
from scipy.sparse import csr_array

from service.cg.fold_in_als import fold_in, gram_basis
from training import als

PARAMETERS = {"alpha0": 0.2, "lambd": 0.02, "nu": 1.0}


def counts(n_users=40, n_items=30):
    """Rows of 1 to 29 items, so that some histories are shorter and some longer than a dimension of 8."""
    rng = np.random.default_rng(0)
    dense = np.zeros((n_users, n_items), np.float32)
    for row in dense:
        row[rng.choice(n_items, rng.integers(1, n_items), replace=False)] = rng.integers(1, 5)
    return csr_array(dense)


def row(X, user):
    part = slice(X.indptr[user], X.indptr[user + 1])
    return X.indices[part], X.data[part]


@pytest.mark.parametrize("loss", ["ials", "plain"])
def test_a_training_user_folds_into_its_own_vector(loss):
    X = counts()
    model = als.fit(X, als.Config(dim=8, max_iter=5, loss=loss, **PARAMETERS))
    basis = gram_basis(model.items)
    for user in range(X.shape[0]):
        vector = fold_in(model.items, basis, *row(X, user), loss=loss, **PARAMETERS)
        assert vector.dtype == np.float32
        np.testing.assert_allclose(vector, model.users[user], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n", [1, 4, 5, 20])
@pytest.mark.parametrize("nu", [0.0, 1.0])
def test_solves_the_dense_normal_equations_for_any_factors(n, nu):
    """Factors whose Gram matrix is not diagonal, history shorter and longer than the dimension of 4."""
    rng = np.random.default_rng(n)
    H = rng.normal(size=(25, 4)).astype(np.float32)
    items, weights = rng.permutation(25)[:n], rng.integers(1, 6, n).astype(np.float32)
    A = 0.2 * H.T @ H + 0.02 * (n + 0.2 * 25) ** nu * np.eye(4) + (H[items].T * weights) @ H[items]
    vector = fold_in(H, gram_basis(H), items, weights, alpha0=0.2, lambd=0.02, nu=nu)
    np.testing.assert_allclose(vector, np.linalg.solve(A, H[items].T @ weights), rtol=1e-3, atol=1e-5)


def test_one_item_by_hand():
    """Items at 1 and 2, the second seen with weight 3: (0.5·5 + 1·(1 + 0.5·2) + 3·4) w = 3·2."""
    H = np.array([[1], [2]], np.float32)
    one = np.array([1])
    vector = fold_in(H, gram_basis(H), one, np.array([3], np.float32), alpha0=0.5, lambd=1, nu=1)
    assert vector == pytest.approx([6 / 16.5])
    plain = fold_in(H, gram_basis(H), one, np.array([3], np.float32), alpha0=0.5, lambd=1, nu=1, loss="plain")
    assert plain == pytest.approx([6 / 6])


def test_an_empty_history_gives_zeros_and_bad_input_is_refused():
    H = np.ones((3, 2), np.float32)
    basis = gram_basis(H)
    none = np.zeros(0, np.int32)
    assert not fold_in(H, basis, none, np.zeros(0, np.float32), **PARAMETERS).any()
    with pytest.raises(ValueError, match="2 items but 1 weights"):
        fold_in(H, basis, np.array([0, 1]), np.ones(1, np.float32), **PARAMETERS)
    with pytest.raises(ValueError, match="above 0"):
        fold_in(H, basis, np.array([0]), np.zeros(1, np.float32), **PARAMETERS)
