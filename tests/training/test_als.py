import numpy as np
import pytest
from scipy.sparse import csr_array, csr_matrix

from tests import naive
from training import als
from training.embeddings import Embeddings

WEIGHTED = {"alpha0": 0.3, "lambd": 0.05, "nu": 0.5}
SHAPES = [(7, 9, 3), (9, 4, 8), (1, 6, 2), (6, 1, 2), (1, 1, 1)]
"""(n_users, n_items, dim); among them dim > n_items, one user, one item."""


def counts(n_users, n_items, density=0.4, seed=0):
    rng = np.random.default_rng(seed)
    dense = rng.integers(1, 4, (n_users, n_items)) * (rng.random((n_users, n_items)) < density)
    dense[0, 0] = 2
    return csr_array(dense.astype(np.float32))


def checkerboard(n=40):
    """User u likes the items of u's parity, but for one each that is held out: item u."""
    u, i = np.indices((n, n))
    return csr_array((((u - i) % 2 == 0) & (u != i)).astype(np.float32))


def scores(model):
    return model.users @ model.items.T + model.item_biases


@pytest.mark.parametrize("loss", ["ials", "plain"])
@pytest.mark.parametrize("shape", SHAPES)
def test_objective_equals_the_sum_over_all_cells(shape, loss):
    X = counts(*shape[:2])
    rng = np.random.default_rng(1)
    W, H = (rng.normal(size=(n, shape[2])).astype(np.float32) for n in shape[:2])
    got = als.objective(X, Embeddings(W, H, np.zeros(len(H))), als.Config(loss=loss, **WEIGHTED))
    assert got == pytest.approx(naive.als_objective(X.toarray(), W, H, loss=loss, **WEIGHTED), rel=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("alpha0", [0.0, 0.3])
def test_gradient_by_the_users_vanishes_at_the_end(shape, alpha0):
    X = counts(*shape[:2])
    weights = {**WEIGHTED, "alpha0": alpha0}
    model = als.fit(X, als.Config(dim=shape[2], max_iter=2, **weights))
    gradient = naive.als_user_gradient(X.toarray(), *model[:2], **weights)
    start = naive.als_user_gradient(X.toarray(), 0 * model.users, model.items, **weights)
    assert np.abs(start).max() > 1e-3
    assert np.abs(gradient).max() < 1e-5 * np.abs(start).max()


def test_many_sweeps_reach_a_stationary_point_on_both_sides():
    X = counts(7, 9)
    model = als.fit(X, als.Config(dim=2, max_iter=500, **WEIGHTED))
    gradient = naive.als_user_gradient(X.toarray().T, model.items, model.users, **WEIGHTED)
    assert np.abs(gradient).max() < 1e-4


@pytest.mark.parametrize("shape", SHAPES)
def test_plain_users_solve_the_dense_normal_equations(shape):
    X = counts(*shape[:2])
    model = als.fit(X, als.Config(dim=shape[2], max_iter=3, loss="plain", lambd=0.5))
    H = model.items.astype(np.float64)
    expected = np.linalg.solve(H.T @ H + 0.5 * np.eye(shape[2]), H.T @ X.toarray().T).T
    np.testing.assert_allclose(model.users, expected, atol=1e-5)


def test_plain_converges_to_the_shrunk_singular_values():
    """Its optimum is known: singular vectors of X, each singular value lowered by lambd."""
    X = counts(12, 8)
    left, values, right = np.linalg.svd(X.toarray(), full_matrices=False)
    expected = left[:, :3] * np.maximum(values[:3] - 0.7, 0) @ right[:3]
    model = als.fit(X, als.Config(dim=3, max_iter=300, loss="plain", lambd=0.7))
    np.testing.assert_allclose(scores(model), expected, atol=1e-3)


@pytest.mark.parametrize("options", [{**WEIGHTED}, {**WEIGHTED, "cg_steps": 1}, {"loss": "plain", "lambd": 0.5}])
def test_objective_falls_with_every_sweep(options):
    X = counts(30, 20)
    values = []
    for sweeps in range(1, 9):
        config = als.Config(dim=5, max_iter=sweeps, **options)
        values.append(als.objective(X, als.fit(X, config), config))
    assert values[-1] < 0.98 * values[0]
    assert (np.diff(values) <= 1e-5 * values[0]).all()


@pytest.mark.parametrize("options", [{"weighting": "binary"}, {"loss": "plain", "lambd": 1.0}])
def test_held_out_items_of_a_checkerboard_are_found(options):
    X = checkerboard()
    model = als.fit(X, als.Config(dim=2, max_iter=20, **options))
    ranked = np.where(X.toarray() > 0, -np.inf, scores(model)).argmax(1)
    assert (ranked == np.arange(40)).all()


@pytest.mark.parametrize("loss", ["ials", "plain"])
def test_same_seed_gives_the_same_bits_on_any_number_of_threads(loss):
    X = counts(700, 50, density=0.1)
    one, again, two = (als.fit(X, als.Config(dim=8, max_iter=3, loss=loss, seed=5, num_threads=n)) for n in (1, 1, 2))
    other = als.fit(X, als.Config(dim=8, max_iter=3, loss=loss, seed=6))
    assert one.users.tobytes() == again.users.tobytes() == two.users.tobytes()
    assert one.items.tobytes() == again.items.tobytes() == two.items.tobytes()
    assert not np.array_equal(one.users, other.users)


@pytest.mark.parametrize("loss", ["ials", "plain"])
@pytest.mark.parametrize("alpha0", [0.0, 1.0])
def test_users_and_items_without_interactions_get_zeros(loss, alpha0):
    dense = counts(8, 6).toarray()
    dense[3], dense[:, 4] = 0, 0
    model = als.fit(csr_array(dense), als.Config(dim=3, max_iter=4, loss=loss, alpha0=alpha0, nu=0.0))
    assert np.isfinite(model.users).all()
    assert np.isfinite(model.items).all()
    assert not model.users[3].any()
    assert not model.items[4].any()
    assert model.users[2].any()


def test_result_is_float32_rows_of_x_and_the_item_gram_is_diagonal():
    model = als.fit(csr_matrix(counts(30, 20)), als.Config(dim=5, max_iter=4, **WEIGHTED))
    assert (model.users.shape, model.items.shape, model.item_biases.shape) == ((30, 5), (20, 5), (20,))
    for array in model:
        assert array.dtype == np.float32
        assert array.flags.c_contiguous
    gram = model.items.T @ model.items
    assert np.abs(gram - np.diag(np.diag(gram))).max() < 1e-5 * gram.max()


def test_initial_factors_have_the_papers_scale():
    factors = als.initial(4000, 0, als.Config(dim=16))
    assert factors.std() == pytest.approx(0.1 / 4, rel=0.02)
    assert factors.mean() == pytest.approx(0, abs=1e-3)


def test_a_confidence_that_is_not_positive_is_refused():
    X = counts(4, 4)
    X.data[0] = -1
    with pytest.raises(ValueError, match=r"holds the value -1, .* above 0; .*loss=plain"):
        als.fit(X, als.Config())
    als.fit(X, als.Config(loss="plain", max_iter=1))


def test_nan_and_an_empty_matrix_are_refused():
    X = counts(4, 4)
    X.data[0] = np.nan
    with pytest.raises(ValueError, match="NaN or infinite"):
        als.fit(X, als.Config())
    with pytest.raises(ValueError, match="no interactions"):
        als.fit(csr_array((3, 3), dtype=np.float32), als.Config())
