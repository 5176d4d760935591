import numpy as np
import pytest

from training.blas import subtract_gram, subtract_product


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
