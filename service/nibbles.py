"""The dot product of packed 4-bit numbers with 8-bit ones, as one instruction of LLVM's vector language.

What numba makes of the plain loop is a quarter as fast. Written on whole vectors, the same sum of products of
unsigned and signed bytes is what processors with such an instruction (VNNI) do in one step, and LLVM knows:
it is also right, if slower, on every other processor.
"""

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.core.cgutils import get_or_insert_function
from numba.extending import intrinsic

BYTES = 64
"""A cache line: so many bytes are summed at a time. Byte b of a line holds number b in its lower 4 bits and number
64 + b in its upper ones."""
NUMBERS = 2 * BYTES


@intrinsic
def _line_dot(_: Any, packed: Any, start: Any, query: Any, first: Any) -> Any:
    """Return Σ number · query over one line: packed[start : start + 64], query[first : first + 128]."""
    signature = types.int32(packed, start, query, first)

    def build(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        def load(place: int, count: int) -> ir.Value:
            data = context.make_array(signature.args[place])(context, builder, args[place]).data
            at = builder.gep(data, [args[place + 1]])
            loaded = builder.load(builder.bitcast(at, _vector(count, 8).as_pointer()))
            loaded.align = 1
            return loaded

        line, numbers = load(0, BYTES), load(2, NUMBERS)
        low = builder.and_(line, ir.Constant(_vector(BYTES, 8), [15] * BYTES))
        high = builder.lshr(line, ir.Constant(_vector(BYTES, 8), [4] * BYTES))
        unpacked = builder.shuffle_vector(low, high, ir.Constant(_vector(NUMBERS, 32), list(range(NUMBERS))))
        wide = _vector(NUMBERS, 32)
        products = builder.mul(builder.zext(unpacked, wide), builder.sext(numbers, wide))
        name, kind = f"llvm.vector.reduce.add.v{NUMBERS}i32", ir.FunctionType(ir.IntType(32), [wide])
        total = get_or_insert_function(builder.module, kind, name)  # type: ignore[no-untyped-call]
        return builder.call(total, [products])

    return signature, build


def _vector(count: int, bits: int) -> ir.VectorType:
    return ir.VectorType(ir.IntType(bits), count)


@njit(nogil=True, cache=True)
def add_dots(lines: Any, query: Any, sums: Any) -> None:
    """Add to every sum the dot product of its line with a query.

    lines: (n, 64) uint8, contiguous; query: (128,) int8; sums: (n,) int32. Shapes are not checked.
    """
    packed = lines.reshape(lines.size)
    for item in range(len(sums)):
        sums[item] += _line_dot(packed, item * BYTES, query, 0)  # type: ignore[call-arg]


@njit(nogil=True, cache=True)
def dot_of(packed: Any, start: int, step: int, query: Any) -> Any:
    """Return the dot product (int) of some lines with a query: that at byte `start`, and on by `step` bytes.

    packed: uint8, one-dimensional; query: int8, as long as the lines together. Neither is checked.
    """
    total = 0
    for first in range(0, len(query), NUMBERS):
        total += _line_dot(packed, start, query, first)  # type: ignore[call-arg]
        start += step
    return total
