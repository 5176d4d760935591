"""Inverse of a symmetric positive definite matrix in its own memory.

LAPACK's way, A = L Lᵀ, then L⁻¹, then A⁻¹ = L⁻ᵀ L⁻¹: three passes over the lower triangle, n³ flops. Up to
LEAF rows it is LAPACK that does them. Its Cholesky factorisation in the OpenBLAS of the scipy wheels crashes near
41,000 rows (and a single syrk too), so larger matrices are halved: two halves on the diagonal, and the block under
them by products of bounded size.
"""

import numba
import numpy as np
from scipy.linalg import LinAlgError

from training.blas import (
    Matrix,
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
from training.progress import track

LEAF = 16_384
"""Rows that LAPACK gets at once, far below the size at which it was seen to crash."""
STRIP = 8192
"""Rows or columns of one product, likewise."""
TILE = 64


def invert_spd(A: Matrix, leaf: int = LEAF) -> Matrix:
    """Turn A into its inverse where it lies, and return it.

    A is (n, n), C-contiguous, float32 or float64; only its lower triangle is read, all of it is written, and no
    memory is needed beside it. Raises LinAlgError if A is not positive definite to the precision of its dtype, or
    not finite; A is spoiled then.
    """
    if A.shape != (len(A), len(A)) or not A.flags.c_contiguous:
        raise ValueError(f"a {A.shape} array with strides {A.strides}: wanted square and C-contiguous")
    for step in track((_factorise, _invert_factor, _square_factor), "inverting"):
        step(A, leaf)
    _mirror(A)
    return A


def _factorise(A: Matrix, leaf: int) -> None:
    """A = L of A = L Lᵀ."""
    if len(A) <= leaf:
        cholesky(A)
        # LAPACK takes NaN for positive; wherever inf and NaN are, they reach the diagonal
        if not np.isfinite(np.diagonal(A)).all():
            raise LinAlgError("the matrix holds values that are not finite")
        return
    first, below, last = _halves(A)
    _factorise(first, leaf)
    for low in range(0, len(below), STRIP):
        solve_triangle(below[low : low + STRIP], first, "right transposed")
    for low in range(0, len(last), STRIP):
        high = low + STRIP
        subtract_product(last[low:high, :low], below[low:high], below[:low])
        subtract_gram(last[low:high, low:high], below[low:high])
    _factorise(last, leaf)


def _invert_factor(L: Matrix, leaf: int) -> None:
    """L = L⁻¹: the block below becomes −L₂₂⁻¹ L₂₁ L₁₁⁻¹."""
    if len(L) <= leaf:
        invert_triangle(L)
        return
    first, below, last = _halves(L)
    for low in range(0, len(below), STRIP):
        solve_triangle(below[low : low + STRIP], first, "right")
    for low in range(0, below.shape[1], STRIP):
        solve_triangle(below[:, low : low + STRIP], last, "left", -1)
    _invert_factor(first, leaf)
    _invert_factor(last, leaf)


def _square_factor(L: Matrix, leaf: int) -> None:
    """L = the lower triangle of Lᵀ L."""
    if len(L) <= leaf:
        square_triangle(L)
        return
    first, below, last = _halves(L)
    _square_factor(first, leaf)
    for low in range(0, len(first), STRIP):
        high = low + STRIP
        add_product(first[low:high, :low], below[:, low:high], below[:, :low])
        add_gram(first[low:high, low:high], below[:, low:high])
    for low in range(0, below.shape[1], STRIP):
        multiply_triangle(below[:, low : low + STRIP], last)
    _square_factor(last, leaf)


def _halves(A: Matrix) -> tuple[Matrix, Matrix, Matrix]:
    """The first half of the diagonal, the block below it, the last half of the diagonal."""
    middle = len(A) // 2
    return A[:middle, :middle], A[middle:, :middle], A[middle:, middle:]


@numba.njit(parallel=True, cache=True)
def _mirror(A):  # type: ignore[no-untyped-def]
    """Copy the lower triangle onto the upper one, tile by tile."""
    n = len(A)
    for tile in numba.prange((n + TILE - 1) // TILE):
        for left in range(0, (tile + 1) * TILE, TILE):
            for i in range(tile * TILE, min(n, (tile + 1) * TILE)):
                for j in range(left, min(i, left + TILE)):
                    A[j, i] = A[i, j]
