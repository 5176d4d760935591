"""One instruction that numba has no name for: ask for a cache line before it is read."""

from typing import Any

from numba import types
from numba.extending import intrinsic

from service.vector_code import Code, operation

LINE = 64
"""Bytes of a cache line."""


def _prefetch(_: Any, array: Any, index: Any) -> Any:
    """Have the line of array[index] (one dimension, contiguous) brought near; nothing happens if it is out of bounds.

    A processor guesses what is read next within a row, not which row is next; a history knows.
    """

    def write(code: Code) -> None:
        code.fetch(0, code.arguments[1])

    return operation(types.void(array, types.intp), write)


prefetch: Any = intrinsic(_prefetch)
