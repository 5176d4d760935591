import numpy as np
import pytest
from scipy.linalg import LinAlgError

from training import spd_inverse
from training.spd_inverse import invert_spd


def spd(n, seed=0, penalty=0.5):
    X = np.random.default_rng(seed).standard_normal((n // 2 + 1, n))
    return X.T @ X + penalty * np.eye(n)


@pytest.mark.parametrize("leaf", [1, 7, 26, 52, 53, 1000])
def test_inverse_whatever_the_leaf(leaf):
    A = spd(53)
    np.testing.assert_allclose(invert_spd(A.copy(), leaf), np.linalg.inv(A), rtol=0, atol=1e-12)


def test_strips_smaller_than_the_matrix(monkeypatch):
    monkeypatch.setattr(spd_inverse, "STRIP", 10)
    A = spd(53)
    np.testing.assert_allclose(invert_spd(A.copy(), 9), np.linalg.inv(A), rtol=0, atol=1e-12)


def test_more_rows_than_a_tile():
    n = 2 * spd_inverse.TILE + 3
    P = invert_spd(spd(n))
    np.testing.assert_array_equal(P, P.T)


def test_one_row():
    np.testing.assert_array_equal(invert_spd(np.array([[4.0]])), [[0.25]])


def test_written_where_it_lies_and_exactly_symmetric():
    A = spd(40).astype(np.float32)
    P = invert_spd(A, 11)
    assert P is A
    np.testing.assert_array_equal(P, P.T)


def test_upper_triangle_is_not_read():
    A = spd(40)
    lower = np.tril(A) + np.triu(np.full_like(A, np.nan), 1)
    np.testing.assert_array_equal(invert_spd(lower, 11), invert_spd(A, 11))


def test_float32_error_is_that_of_its_rounding():
    A = spd(300, penalty=50)
    error = np.abs(invert_spd(A.astype(np.float32), 64) - np.linalg.inv(A)).max()
    assert 0 < error < 1e-7  # entries are up to 1 / 50


@pytest.mark.parametrize("spoil", [-1.0, 0.0, np.nan, np.inf])
@pytest.mark.parametrize("position", [0, 25, 39])
def test_not_positive_definite(spoil, position):
    A = np.eye(40)
    A[position, position] = spoil
    with pytest.raises(LinAlgError):
        invert_spd(A, 11)


@pytest.mark.parametrize("position", [(30, 2), (2, 1)])
def test_not_finite_off_the_diagonal(position):
    A = np.eye(40)
    A[position] = np.nan
    with pytest.raises(LinAlgError):
        invert_spd(A, 11)


def test_indefinite_only_as_a_whole():
    A = np.array([[1.0, 2.0], [2.0, 1.0]])
    with pytest.raises(LinAlgError):
        invert_spd(A, 1)


@pytest.mark.parametrize("A", [np.zeros((3, 4)), np.asfortranarray(spd(4) + np.triu(np.ones((4, 4))))])
def test_layout_is_checked(A):
    with pytest.raises(ValueError, match="square and C-contiguous"):
        invert_spd(A)
