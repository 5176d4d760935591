import numba
import numpy as np
import pytest
import scipy.sparse as sp
from pydantic import ValidationError

from tests import naive
from training import slim_cd
from training.slim import Config, fit
from training.slim_kernels import Penalty
from training.slim_lanes import ALIGNMENT, aligned_rows, products, subtract

TIGHT = 1e-6


@numba.njit
def lane_products(out, users, values, start, stop, r):
    products(out, users, values, start, stop, r)


@numba.njit
def lane_subtract(step, users, values, start, stop, r):
    subtract(step, users, values, start, stop, r)


def random_matrix(seed, shape=(60, 40), density=0.15, values="binary"):
    rng = np.random.default_rng(seed)
    popularity = rng.uniform(0.3, 2, shape[1]) * density
    dense = (rng.random(shape) < popularity).astype(np.float32)
    if values == "log":
        dense *= np.log2(1 + rng.integers(1, 9, shape)).astype(np.float32)
    return sp.csr_matrix(dense)


def correlations_and_penalties(X, W, config):
    """a_kᵀ(a_j − X w_j) for every pair (k, j), λ and β, in float64."""
    dense = X.toarray().astype(np.float64)
    total = X.shape[0] * config.alpha
    c = dense.T @ (dense - dense @ W.toarray())
    return c, total * config.l1_ratio, total * (1 - config.l1_ratio)


def test_two_items_by_hand():
    # items 0 and 1 share 2 users of 3: G_01 = 2, λ = 4 · 0.25 · 0.5 = 0.5, β = 0.5
    X = sp.csr_matrix(np.array([[1, 1], [1, 1], [1, 0], [0, 0]], np.float32))
    W = fit(X, Config(alpha=0.25, l1_ratio=0.5)).toarray()
    np.testing.assert_allclose(W, [[0, 1.5 / 3.5], [1.5 / 2.5, 0]], rtol=1e-5)


@pytest.mark.parametrize("values", ["binary", "log"])
@pytest.mark.parametrize(("alpha", "l1_ratio"), [(0.1, 0.01), (0.005, 1e-6), (0.02, 0.5), (0.01, 1.0)])
def test_equals_an_exact_solver(values, alpha, l1_ratio):
    X = random_matrix(1, values=values)
    W = fit(X, Config(alpha=alpha, l1_ratio=l1_ratio, tolerance=TIGHT))
    assert np.abs(W.toarray() - naive.slim(X.toarray(), alpha, l1_ratio)).max() < 1e-4


@pytest.mark.parametrize("values", ["binary", "log"])
def test_both_solvers_agree(values):
    X = random_matrix(2, values=values)
    ours = fit(X, Config(alpha=0.02, l1_ratio=0.1))
    theirs = fit(X, Config(alpha=0.02, l1_ratio=0.1, solver="sklearn", num_processes=1, tolerance=1e-9))
    assert ours.nnz > 50
    assert np.abs((ours - theirs).toarray()).max() < 1e-4


@pytest.mark.parametrize("solver", ["cd", "sklearn"])
def test_shape_of_the_result(solver):
    X = random_matrix(3)
    W = fit(X, Config(alpha=0.01, solver=solver, num_processes=1))
    assert isinstance(W, sp.csr_matrix)
    assert (W.dtype, W.shape, W.has_sorted_indices) == (np.float32, (40, 40), True)
    assert W.data.min() > 0
    assert W.diagonal().tolist() == [0] * 40


@pytest.mark.parametrize("l1_ratio", [1e-6, 0.01, 0.3])
def test_optimality_conditions_on_a_larger_matrix(l1_ratio):
    # larger than the first working set, so that items join and the buffers grow
    X = random_matrix(4, shape=(300, 700), density=0.1)
    config = Config(alpha=0.003, l1_ratio=l1_ratio, tolerance=TIGHT)
    W = fit(X, config)
    c, lambd, beta = correlations_and_penalties(X, W, config)
    weights = W.toarray()
    gradient = beta * weights + lambd - c
    assert np.abs(gradient[weights > 0]).max() < 1e-3
    outside = (weights == 0) & ~np.eye(700, dtype=bool)
    assert gradient[outside].min() > -1e-3


def test_duality_gap_is_small_at_the_default_tolerance():
    X = random_matrix(5, shape=(300, 200), values="log")
    config = Config(alpha=0.01)
    W = fit(X, config)
    c, lambd, beta = correlations_and_penalties(X, W, config)
    np.fill_diagonal(c, 0)
    weights, slack = W.toarray(), c - lambd
    gap = (beta * weights - slack.clip(0)) ** 2 / (2 * beta) + weights * (-slack).clip(0)
    assert (gap.sum(axis=0) <= 1e-4 * X.multiply(X).sum(axis=0)).all()


@pytest.mark.parametrize("values", ["binary", "log"])
def test_skipping_changes_nothing(values):
    X = random_matrix(6, values=values).tocsc()
    lambd = 3.0  # an integer: on a binary matrix many co-occurrences equal it
    together = (X.T @ X).toarray()
    np.fill_diagonal(together, np.inf)
    assert (together == lambd).any() or values == "log"
    assert 0.1 < (together <= lambd).mean() < 0.9, "the rule has pairs to skip and pairs to keep"
    start = sp.csc_matrix((40, 40), dtype=np.float32)

    def solve(skip):
        penalty = Penalty(lambd, 2.0, TIGHT, 1000, skip)
        return slim_cd.solve_cd(X, penalty, 1, start)[0].toarray()

    assert solve(skip=True).any()
    assert (solve(skip=True) == solve(skip=False)).all()


def test_result_does_not_depend_on_the_number_of_threads():
    X = random_matrix(7, shape=(80, 150))
    one, two = (fit(X, Config(alpha=0.01, num_threads=threads)) for threads in (1, 2))
    assert (one != two).nnz == 0


def test_result_does_not_depend_on_the_number_of_processes():
    X = random_matrix(8)
    one, two = (fit(X, Config(alpha=0.01, solver="sklearn", num_processes=n)) for n in (1, 2))
    assert one.nnz > 0
    assert (one != two).nnz == 0


def test_the_sklearn_solver_leaves_the_matrix_as_it_was():
    X = random_matrix(9)
    before = X.toarray()
    fit(X, Config(solver="sklearn", num_processes=1))
    assert (X.toarray() == before).all()


def test_warm_start_gives_the_same_result():
    X = random_matrix(10, shape=(120, 300))
    other = fit(X, Config(alpha=0.05))
    config = Config(alpha=0.005, tolerance=TIGHT)
    warm, cold = fit(X, config, initial=other), fit(X, config)
    assert np.abs((warm - cold).toarray()).max() < 1e-4
    with pytest.raises(ValueError, match=r"\(3, 3\), wanted \(300, 300\)"):
        fit(X, config, initial=sp.csr_matrix((3, 3), dtype=np.float32))


def test_warm_start_saves_sweeps():
    X = random_matrix(10)
    solution = fit(X, Config(alpha=0.005, tolerance=TIGHT))
    fit(X, Config(alpha=0.005, tolerance=1e-3, max_sweeps=2), initial=solution)  # warns, and fails, if not solved
    with pytest.warns(RuntimeWarning, match="of 40 columns still moved"):
        fit(X, Config(alpha=0.005, tolerance=1e-3, max_sweeps=2))


@pytest.mark.parametrize("solver", ["cd", "sklearn"])
def test_not_converged_is_said(solver):
    with pytest.warns(RuntimeWarning, match="after 1 sweeps; raise max_sweeps"):
        fit(random_matrix(11), Config(alpha=0.001, solver=solver, num_processes=1, max_sweeps=1))


@pytest.mark.parametrize("solver", ["cd", "sklearn"])
def test_degenerate_matrices(solver):
    config = Config(solver=solver, num_processes=1, alpha=1e-3)
    assert fit(sp.csr_matrix(np.ones((3, 1), np.float32)), config).toarray().tolist() == [[0]]
    assert fit(sp.csr_matrix((3, 2), dtype=np.float32), config).nnz == 0
    with_empty = np.array([[1, 0, 1], [1, 0, 1], [0, 0, 1]], np.float32)
    W = fit(sp.csr_matrix(with_empty), config).toarray()
    assert W[0, 2] > 0
    assert W[2, 0] > 0
    assert not W[1].any()
    assert not W[:, 1].any()


def test_checkerboard():
    # users like the even or the odd items: weights only between items of the same colour
    users, items = np.indices((20, 10))
    X = ((users + items) % 2 == 0).astype(np.float32)
    X[np.arange(20), np.arange(20) % 10] = 0
    W = fit(sp.csr_matrix(X), Config(alpha=0.01)).toarray()
    same = np.add.outer(np.arange(10), np.arange(10)) % 2 == 0
    assert not W[~same].any()
    assert (W[same & ~np.eye(10, dtype=bool)] > 0).all()


def test_unusable_input_is_refused():
    with pytest.raises(ValueError, match="negative or non-finite"):
        fit(sp.csr_matrix(np.array([[1, -1]], np.float32)), Config())
    with pytest.raises(ValueError, match="negative or non-finite"):
        fit(sp.csr_matrix(np.array([[1, np.nan]], np.float32)), Config())
    with pytest.raises(ValueError, match="0 users × 2 items"):
        fit(sp.csr_matrix((0, 2), dtype=np.float32), Config())


@pytest.mark.parametrize("values", [{"alpha": 0}, {"l1_ratio": 1.1}, {"solver": "lasso"}, {"num_processes": 0}])
def test_config_ranges(values):
    with pytest.raises(ValidationError):
        Config(**values)


@pytest.mark.parametrize("length", [0, 1, 2, 3, 8])
def test_operations_on_lanes(length):
    rng = np.random.default_rng(14)
    r, vector = aligned_rows(20), aligned_rows(1)[0]
    assert r.ctypes.data % ALIGNMENT == 0
    r[:] = rng.normal(size=r.shape)
    before = r.copy()
    users, values = rng.permutation(20)[:12].astype(np.int32), rng.random(12, dtype=np.float32)
    used, factors = users[2 : 2 + length], values[2 : 2 + length]
    lane_products(vector, users, values, 2, 2 + length, r)
    np.testing.assert_allclose(vector, factors @ before[used], rtol=1e-5, atol=1e-6)
    lane_subtract(vector, users, values, 2, 2 + length, r)
    before[used] -= np.outer(factors, vector)
    np.testing.assert_allclose(r, before, rtol=1e-5, atol=1e-6)


def test_a_column_does_not_depend_on_its_block():
    # five more items, of 50 users of their own: the most popular, so that all others move to other lanes
    X = random_matrix(15, shape=(100, 90))
    more = sp.csr_matrix(sp.block_diag([X, np.ones((50, 5))]), dtype=np.float32)
    alone, shifted = (fit(m, Config(alpha=1 / m.shape[0], tolerance=TIGHT)) for m in (X, more))
    assert np.abs((shifted[:90, :90] - alone).toarray()).max() < 1e-5
    assert alone.nnz > 500
