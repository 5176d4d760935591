"""One instruction that numba has no name for: ask for a cache line before it is read."""

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic

LINE = 64
"""Bytes of a cache line."""


def _prefetch(_context: Any, array: Any, index: Any) -> Any:
    """Have the line of array[index] (one dimension, contiguous) brought near; nothing happens if it is out of bounds.

    A processor guesses what is read next within a row, not which row is next; a history knows.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        word = ir.IntType(32)
        address = builder.bitcast(builder.gep(data, [arguments[1]]), ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [address.type, word, word, word])
        instruction = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
            builder.module, kind, "llvm.prefetch.p0"
        )
        builder.call(instruction, [address, word(0), word(2), word(1)])  # for reading, into the second level, data
        return context.get_dummy_value()

    del index
    return types.void(array, types.intp), generate


prefetch: Any = intrinsic(_prefetch)
