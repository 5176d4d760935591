"""Inverse of a symmetric positive definite matrix in its own memory, made of matrix products.

LAPACK's potrf + potri do the same, but the OpenBLAS of the scipy and numpy wheels crashes in potrf (and in a
single syrk) near 41,000 rows. Here every pivot block is swept once:
with D = A_kk⁻¹ the block becomes −D, its panel A_ik D and every other block A_ij − A_ik D A_kj, so that after
the last block the matrix holds −A⁻¹ (Goodnight 1979, "A tutorial on the SWEEP operator"). With D = L⁻ᵀ L⁻¹
from the Cholesky factor of the pivot block, the updates are symmetric and only the lower triangle is
computed: n³ flops, as for potrf + potri.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cholesky, get_blas_funcs, solve_triangular

from training.blas import Matrix, subtract_gram, subtract_product
from training.progress import track

BLOCK = 256
"""Rows swept at once: enough for the full speed of a product, and the panel stays small."""
STRIP = 8192
"""Rows of one symmetric update, far below the size at which OpenBLAS' syrk was seen to crash."""
TILE = 1024


def invert_spd(A: Matrix, block: int = BLOCK) -> Matrix:
    """Turn A into its inverse where it lies, and return it.

    A is (n, n), C-contiguous, float32 or float64; only its lower triangle is read, all of it is written.
    Memory beside A: n · block elements. Raises LinAlgError if A is not positive definite to the
    precision of its dtype; A is spoiled then.
    """
    n = len(A)
    if A.shape != (n, n) or not A.flags.c_contiguous:
        raise ValueError(f"a {A.shape} array with strides {A.strides}: wanted square and C-contiguous")
    scratch = np.empty(n * min(block, n), A.dtype)
    for start in track(range(0, n, block), "inverting"):
        stop = min(start + block, n)
        _sweep(A, start, stop, scratch[: n * (stop - start)].reshape(n, stop - start))
    _negate_and_mirror(A)
    return A


def _sweep(A: Matrix, start: int, stop: int, panel: Matrix) -> None:
    """Sweep rows start to stop of the lower triangle; panel (n, stop − start) is scratch."""
    pivot = A[start:stop, start:stop]
    L_inverse = _inverse_cholesky(pivot)
    panel[:start] = A[start:stop, :start].T
    panel[start:stop] = 0
    panel[stop:] = A[stop:, start:stop]
    _multiply(panel, L_inverse, transposed=True)
    before, after = panel[:start], panel[stop:]
    _subtract_gram(A[:start, :start], before)
    subtract_product(A[stop:, :start], after, before)
    _subtract_gram(A[stop:, stop:], after)
    _multiply(panel, L_inverse, transposed=False)
    A[start:stop, :start] = before.T
    A[stop:, start:stop] = after
    pivot[:] = -(L_inverse.T @ L_inverse)


def _multiply(panel: Matrix, L_inverse: NDArray[np.float64], transposed: bool) -> None:
    """panel @= L⁻¹ or its transpose; BLAS sees the panel transposed, and writes it where it lies."""
    trmm = get_blas_funcs("trmm", (panel,))
    L = np.asfortranarray(L_inverse, panel.dtype)
    trmm(1, L, panel.T, lower=1, trans_a=not transposed, overwrite_b=1)


def _inverse_cholesky(pivot: Matrix) -> NDArray[np.float64]:
    """L⁻¹ of pivot = L Lᵀ, in float64: the block is small, and its error would reach every other block."""
    L = cholesky(pivot.astype(np.float64), lower=True, check_finite=False)
    # inf and NaN anywhere in A reach a pivot block in the end
    if not np.isfinite(L).all():
        raise LinAlgError("the matrix holds values that are not finite")
    L_inverse: NDArray[np.float64] = solve_triangular(L, np.eye(len(L)), lower=True, check_finite=False)
    return L_inverse


def _subtract_gram(C: Matrix, factor: Matrix) -> None:
    """C -= factor @ factor.T in the lower triangle, in strips of rows."""
    for low in range(0, len(C), STRIP):
        high = low + STRIP
        subtract_product(C[low:high, :low], factor[low:high], factor[:low])
        subtract_gram(C[low:high, low:high], factor[low:high])


def _negate_and_mirror(A: Matrix) -> None:
    """Negate the lower triangle and copy it onto the upper one, tile by tile."""
    for low in range(0, len(A), TILE):
        rows = slice(low, low + TILE)
        lower = np.tril(A[rows, rows])
        A[rows, rows] = -(lower + np.tril(lower, -1).T)
        for left in range(0, low, TILE):
            columns = slice(left, left + TILE)
            np.negative(A[rows, columns], out=A[rows, columns])
            A[columns, rows] = A[rows, columns].T
