"""BLAS and LAPACK on a part of a matrix where it lies, which neither numpy nor scipy's wrappers offer.

numpy needs a temporary of the product's size, and scipy copies an output that is a part of a larger matrix.
All arrays here are two-dimensional views with contiguous rows, all float32 or all float64; they may be
parts of larger matrices, and the output must not overlap the others. Of a triangular or symmetric matrix only
the lower triangle is read and written: the upper one of the transpose, which is what Fortran sees.
"""

import ctypes
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numba.extending import get_cython_function_address
from numpy.typing import NDArray
from scipy.linalg import LinAlgError

Matrix = NDArray[np.floating[Any]]

_CHAR = ctypes.c_char_p
_INT = ctypes.POINTER(ctypes.c_int)
_ARRAY = ctypes.c_void_p
_REALS: dict[str, type[ctypes.c_float] | type[ctypes.c_double]] = {
    "float32": ctypes.c_float,
    "float64": ctypes.c_double,
}
_PREFIXES = {"float32": "s", "float64": "d"}


def subtract_product(C: Matrix, A: Matrix, B: Matrix) -> None:
    """C -= A @ B.T for C (m, n), A (m, k), B (n, k)."""
    (m, n), k = C.shape, A.shape[1]
    if A.shape != (m, k) or B.shape != (n, k):
        raise ValueError(f"shapes {C.shape} -= {A.shape} @ {B.shape}.T do not fit together")
    _multiply(C, A, B, b"TN", k, -1)


def add_product(C: Matrix, A: Matrix, B: Matrix) -> None:
    """C += A.T @ B for C (m, n), A (k, m), B (k, n)."""
    (m, n), k = C.shape, A.shape[0]
    if A.shape != (k, m) or B.shape != (k, n):
        raise ValueError(f"shapes {C.shape} += {A.shape}.T @ {B.shape} do not fit together")
    _multiply(C, A, B, b"NT", k, 1)


def _multiply(C: Matrix, A: Matrix, B: Matrix, transposed: bytes, k: int, factor: float) -> None:
    """Fortran sees each row-major array transposed, so B comes first; transposed: T or N for B, then for A."""
    _check(C, A, B)
    if C.size == 0:
        return
    (m, n), gemm, real = C.shape, _GEMM[C.dtype.name], _REALS[C.dtype.name]
    gemm(
        transposed[:1], transposed[1:], ctypes.c_int(n), ctypes.c_int(m), ctypes.c_int(k),
        real(factor), B.ctypes.data, _leading(B), A.ctypes.data, _leading(A),
        real(1), C.ctypes.data, _leading(C),
    )  # fmt: skip


def subtract_gram(C: Matrix, A: Matrix) -> None:
    """C -= A @ A.T in the lower triangle of C (n, n) only, for A (n, k); half the work of a product."""
    if C.shape != (len(A), len(A)):
        raise ValueError(f"shapes {C.shape} -= {A.shape} @ {A.shape}.T do not fit together")
    _update(C, A, b"T", A.shape[1], -1)


def add_gram(C: Matrix, A: Matrix) -> None:
    """C += A.T @ A in the lower triangle of C (n, n) only, for A (k, n)."""
    if C.shape != (A.shape[1], A.shape[1]):
        raise ValueError(f"shapes {C.shape} += {A.shape}.T @ {A.shape} do not fit together")
    _update(C, A, b"N", len(A), 1)


def _update(C: Matrix, A: Matrix, transposed: bytes, k: int, factor: float) -> None:
    _check(C, A)
    if C.size == 0:
        return
    syrk, real = _SYRK[C.dtype.name], _REALS[C.dtype.name]
    syrk(
        b"U", transposed, ctypes.c_int(len(C)), ctypes.c_int(k),
        real(factor), A.ctypes.data, _leading(A), real(1), C.ctypes.data, _leading(C),
    )  # fmt: skip


def solve_triangle(B: Matrix, L: Matrix, side: Literal["left", "right", "right transposed"], factor: float = 1) -> None:
    """B = factor · L⁻¹ B, or factor · B L⁻¹, or factor · B L⁻ᵀ, for a lower triangular L."""
    _triangular(_TRSM, B, L, side == "left", side == "right transposed", factor)


def multiply_triangle(B: Matrix, L: Matrix) -> None:
    """B = Lᵀ B for a lower triangular L."""
    _triangular(_TRMM, B, L, left=True, transposed=True, factor=1)


def _triangular(
    routines: dict[str, Callable[..., None]], B: Matrix, L: Matrix, left: bool, transposed: bool, factor: float
) -> None:
    """Fortran sees both transposed, so what stands left of B comes to the right; a transposition of L remains one."""
    _check(B, L)
    m, n = B.shape
    if L.shape != ((m, m) if left else (n, n)):
        raise ValueError(f"a {L.shape} triangle {'left' if left else 'right'} of a {B.shape} array does not fit")
    if B.size == 0:
        return
    routines[B.dtype.name](
        b"R" if left else b"L", b"U", b"T" if transposed else b"N", b"N", ctypes.c_int(n), ctypes.c_int(m),
        _REALS[B.dtype.name](factor), L.ctypes.data, _leading(L), B.ctypes.data, _leading(B),
    )  # fmt: skip


def cholesky(A: Matrix) -> None:
    """A = L of A = L Lᵀ, where it lies. Raises LinAlgError where A is not positive definite."""
    failed = _lapack(_POTRF, A, b"U")
    if failed:
        raise LinAlgError(f"the leading minor of order {failed} is not positive definite")


def invert_triangle(L: Matrix) -> None:
    """L = L⁻¹, where it lies. Raises LinAlgError where a diagonal entry is 0."""
    failed = _lapack(_TRTRI, L, b"U", b"N")
    if failed:
        raise LinAlgError(f"entry {failed} of the diagonal is 0")


def square_triangle(L: Matrix) -> None:
    """L = the lower triangle of Lᵀ L, where it lies."""
    _lapack(_LAUUM, L, b"U")


def _lapack(routines: dict[str, Callable[..., None]], A: Matrix, *options: bytes) -> int:
    """Call a routine on the lower triangle of A; return what it says about failure."""
    _check(A)
    if A.shape != (len(A), len(A)):
        raise ValueError(f"a {A.shape} array: wanted a square one")
    failed = ctypes.c_int(0)
    routines[A.dtype.name](*options, ctypes.c_int(len(A)), A.ctypes.data, _leading(A), failed)
    return failed.value


def _check(C: Matrix, *others: Matrix) -> None:
    if C.dtype.name not in _REALS or any(M.dtype != C.dtype for M in others):
        raise ValueError(f"dtypes {[str(M.dtype) for M in (C, *others)]}: wanted all float32 or all float64")


def _leading(M: Matrix) -> ctypes.c_int:
    """Elements from one row to the next; BLAS wants it at least the row's length, also for a single row."""
    rows, columns = M.shape
    step, rest = divmod(M.strides[0], M.itemsize) if rows > 1 else (columns, 0)
    if rest or step < columns or (columns > 1 and M.strides[1] != M.itemsize):
        raise ValueError(f"strides {M.strides} of a {M.shape} {M.dtype} array: wanted contiguous rows")
    return ctypes.c_int(max(step, 1))


def _load(module: str, name: str, arguments: str) -> dict[str, Callable[..., None]]:
    """The float32 and the float64 routine of that name, from the BLAS that scipy carries.

    `arguments`: one letter for each; c: character, i: integer, r: real number, a: array.
    """
    loaded: dict[str, Callable[..., None]] = {}
    for dtype, real in _REALS.items():
        kinds: dict[str, Any] = {"c": _CHAR, "i": _INT, "r": ctypes.POINTER(real), "a": _ARRAY}
        address = get_cython_function_address(f"scipy.linalg.{module}", _PREFIXES[dtype] + name)
        loaded[dtype] = ctypes.CFUNCTYPE(None, *(kinds[letter] for letter in arguments))(address)
    return loaded


_GEMM = _load("cython_blas", "gemm", "cciiiraiairai")
_SYRK = _load("cython_blas", "syrk", "cciirairai")
_TRSM = _load("cython_blas", "trsm", "cccciiraiai")
_TRMM = _load("cython_blas", "trmm", "cccciiraiai")
_POTRF = _load("cython_lapack", "potrf", "ciaii")
_TRTRI = _load("cython_lapack", "trtri", "cciaii")
_LAUUM = _load("cython_lapack", "lauum", "ciaii")
