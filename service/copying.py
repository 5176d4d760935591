"""Copying short pieces of bytes: sixteen at a time, which is more than there are, instead of one."""

from typing import Any

from numba import njit, types
from numba.extending import intrinsic

from service.array_types import Bytes
from service.vector_code import Code, operation, vector

PIECE = 16
"""Bytes that are copied together: so much must be there to read behind a piece, and to write."""


@intrinsic
def _copy_piece(_: Any, out: Any, at: Any, source: Any, start: Any) -> Any:
    """Copy 16 bytes from source[start:] to out[at:], both uint8 in one dimension; nothing is checked."""

    def write(code: Code) -> None:
        _, at, _, start = code.arguments
        code.store(code.load(2, start, vector(PIECE, 8)), 0, at)

    return operation(types.void(out, types.intp, source, types.intp), write)


@njit(nogil=True, cache=True)
def append(out: Bytes, size: int, source: Bytes, start: int, stop: int) -> int:
    """Append source[start:stop] to the first `size` bytes of `out`, and garbage behind it; return the new size.

    Both need PIECE bytes more than that.
    """
    for first in range(0, stop - start, PIECE):
        _copy_piece(out, size + first, source, start + first)  # type: ignore[call-arg]
    return size + stop - start
