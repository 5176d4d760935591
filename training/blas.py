"""BLAS updates of a part of a matrix where it lies, which neither numpy nor scipy's wrappers offer.

numpy needs a temporary of the product's size, and scipy copies an output that is a part of a larger matrix.
All arrays here are two-dimensional views with contiguous rows, all float32 or all float64; they may be
parts of larger matrices, and the output must not overlap the others.
"""

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
from numba.extending import get_cython_function_address
from numpy.typing import NDArray

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
    _check(C, A, B)
    if A.shape != (m, k) or B.shape != (n, k):
        raise ValueError(f"shapes {C.shape} -= {A.shape} @ {B.shape}.T do not fit together")
    if C.size == 0:
        return
    gemm, real = _GEMM[C.dtype.name], _REALS[C.dtype.name]
    # Fortran sees each row-major array transposed: C.T -= B @ A.T
    gemm(
        b"T", b"N", ctypes.c_int(n), ctypes.c_int(m), ctypes.c_int(k),
        real(-1), B.ctypes.data, _leading(B), A.ctypes.data, _leading(A),
        real(1), C.ctypes.data, _leading(C),
    )  # fmt: skip


def subtract_gram(C: Matrix, A: Matrix) -> None:
    """C -= A @ A.T in the lower triangle of C (n, n) only, for A (n, k); half the work of a product."""
    n, k = A.shape
    _check(C, A)
    if C.shape != (n, n):
        raise ValueError(f"shapes {C.shape} -= {A.shape} @ {A.shape}.T do not fit together")
    if C.size == 0:
        return
    syrk, real = _SYRK[C.dtype.name], _REALS[C.dtype.name]
    # the lower triangle is the upper one of the transpose, which is what Fortran sees
    syrk(
        b"U", b"T", ctypes.c_int(n), ctypes.c_int(k),
        real(-1), A.ctypes.data, _leading(A), real(1), C.ctypes.data, _leading(C),
    )  # fmt: skip


def _load(name: str, product: bool) -> dict[str, Callable[..., None]]:
    """The float32 and the float64 routine of that name, from the BLAS that scipy carries."""
    loaded: dict[str, Callable[..., None]] = {}
    for dtype, real in _REALS.items():
        scalar = ctypes.POINTER(real)
        sizes: list[Any] = [_INT] * (3 if product else 2)
        operands: list[Any] = [_ARRAY, _INT] * (2 if product else 1)
        prototype = ctypes.CFUNCTYPE(None, _CHAR, _CHAR, *sizes, scalar, *operands, scalar, _ARRAY, _INT)
        loaded[dtype] = prototype(get_cython_function_address("scipy.linalg.cython_blas", _PREFIXES[dtype] + name))
    return loaded


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


_GEMM = _load("gemm", product=True)
_SYRK = _load("syrk", product=False)
