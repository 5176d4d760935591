import numpy as np
import pytest
from scipy.linalg import LinAlgError

from training.blas import (
    add_gram,
    add_product,
    cholesky,
    invert_triangle,
    multiply_triangle,
    solve_triangle,
    square_triangle,
    subtract_gram,
    subtract_product,
)


def part(rng, rows, columns, dtype):
    """A part of a larger matrix: its rows are contiguous, the whole is not."""
    whole = rng.standard_normal((rows + 3, columns + 5)).astype(dtype)
    return whole[2 : 2 + rows, 1 : 1 + columns]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(5, 7, 3), (1, 4, 2), (4, 1, 1), (1, 1, 1), (0, 3, 2), (3, 0, 2)])
def test_product_is_subtracted_in_place_and_nowhere_else(shape, dtype):
    m, n, k = shape
    rng = np.random.default_rng(0)
    whole = rng.standard_normal((m + 3, n + 5)).astype(dtype)
    A, B, before = part(rng, m, k, dtype), part(rng, n, k, dtype), whole.copy()
    subtract_product(whole[2 : 2 + m, 1 : 1 + n], A, B)
    before[2 : 2 + m, 1 : 1 + n] -= A @ B.T
    np.testing.assert_allclose(whole, before, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [0, 1, 6])
def test_gram_is_subtracted_from_the_lower_triangle_only(n, dtype):
    rng = np.random.default_rng(1)
    C, A = part(rng, n, n, dtype), part(rng, n, 3, dtype)
    wanted = C - np.tril(A @ A.T)
    subtract_gram(C, A)
    np.testing.assert_allclose(C, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(5, 7, 3), (1, 4, 2), (1, 1, 1), (0, 3, 2), (3, 0, 2)])
def test_product_of_the_transpose_is_added_in_place_and_nowhere_else(shape, dtype):
    m, n, k = shape
    rng = np.random.default_rng(0)
    whole = rng.standard_normal((m + 3, n + 5)).astype(dtype)
    A, B, wanted = part(rng, k, m, dtype), part(rng, k, n, dtype), whole.copy()
    add_product(whole[2 : 2 + m, 1 : 1 + n], A, B)
    wanted[2 : 2 + m, 1 : 1 + n] += A.T @ B
    np.testing.assert_allclose(whole, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gram_of_the_transpose_is_added_to_the_lower_triangle_only(dtype):
    rng = np.random.default_rng(1)
    C, A = part(rng, 6, 6, dtype), part(rng, 3, 6, dtype)
    wanted = C + np.tril(A.T @ A)
    add_gram(C, A)
    np.testing.assert_allclose(C, wanted, rtol=1e-5, atol=1e-5)


def triangle(rng, n, dtype):
    """Lower triangular and well conditioned, with something in the upper triangle that must not matter."""
    L = part(rng, n, n, dtype)
    L[np.diag_indices(n)] += 5
    return L, np.tril(L)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_triangles_on_each_side(dtype):
    rng = np.random.default_rng(2)
    (L, lower), (R, right) = triangle(rng, 4, dtype), triangle(rng, 3, dtype)
    inverse, right_inverse = np.linalg.inv(lower), np.linalg.inv(right)
    for change, wanted in (
        (lambda B: solve_triangle(B, L, "left", -1), lambda B: -inverse @ B),
        (lambda B: solve_triangle(B, R, "right"), lambda B: B @ right_inverse),
        (lambda B: solve_triangle(B, R, "right transposed", 2), lambda B: 2 * B @ right_inverse.T),
        (lambda B: multiply_triangle(B, L), lambda B: lower.T @ B),
    ):
        B = part(rng, 4, 3, dtype)
        before = B.copy()
        change(B)
        np.testing.assert_allclose(B, wanted(before), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_factors_of_a_part_leave_the_upper_triangle_alone(dtype):
    rng = np.random.default_rng(3)
    A, L = part(rng, 5, 5, dtype), triangle(rng, 5, dtype)[1]
    above = np.triu(A, 1)
    for change, given, wanted in (
        (cholesky, L @ L.T, L),
        (invert_triangle, L, np.linalg.inv(L)),
        (square_triangle, L, np.tril(L.T @ L)),
    ):
        A[:] = np.tril(given) + above
        change(A)
        np.testing.assert_allclose(A, wanted + above, rtol=1e-4, atol=1e-4)


def test_factors_that_do_not_exist():
    with pytest.raises(LinAlgError, match="order 2 is not positive"):
        cholesky(np.array([[1.0, 0.0], [2.0, 1.0]]))
    with pytest.raises(LinAlgError, match="entry 2 of the diagonal is 0"):
        invert_triangle(np.array([[1.0, 0.0], [2.0, 0.0]]))


def test_arrays_that_blas_would_misread_are_refused():
    C, A = np.zeros((4, 4)), np.ones((4, 2))
    with pytest.raises(ValueError, match="contiguous rows"):
        subtract_product(C, A, np.ones((2, 4)).T)
    with pytest.raises(ValueError, match="contiguous rows"):
        subtract_gram(C[:, ::-1], A)
    with pytest.raises(ValueError, match="do not fit"):
        subtract_product(C, A, np.ones((3, 2)))
    with pytest.raises(ValueError, match="do not fit"):
        subtract_gram(np.zeros((4, 3)), A)
    with pytest.raises(ValueError, match="float32 or all float64"):
        subtract_product(C, A, A.astype(np.float32))
    with pytest.raises(ValueError, match="float32 or all float64"):
        subtract_gram(C.astype(np.int64), A.astype(np.int64))
    with pytest.raises(ValueError, match="do not fit"):
        add_product(C, A, np.ones((2, 4)))
    with pytest.raises(ValueError, match="do not fit"):
        add_gram(C, A)
    with pytest.raises(ValueError, match="does not fit"):
        solve_triangle(A, np.eye(2), "left")
    with pytest.raises(ValueError, match="wanted a square one"):
        cholesky(A)
