"""Which of many places are meant, a bit for each, and adding to those: sixteen at a time."""

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from service.array_types import Floats, Ints
from service.vector_code import Code, operation

LANES = 16
"""Places that are looked at together."""
Marks = NDArray[np.uint16]
"""(⌈n / 16⌉,): bit i of number b stands for place 16 b + i."""


def marks_of(places: Ints, n: int) -> Marks:
    """Return the marks, not to be changed, of some of n places."""
    marked = np.zeros(-(-n // LANES) * LANES, np.bool_)
    marked[places] = True
    marks = np.packbits(marked, bitorder="little").view(np.uint16)
    marks.flags.writeable = False
    return marks


def places_of(marks: Marks) -> Ints:
    """Return the places, ascending."""
    return np.flatnonzero(np.unpackbits(marks.view(np.uint8), bitorder="little")).astype(np.int32)


@intrinsic
def _add_sixteen(_: Any, values: Any, size: Any, marks: Any, block: Any, sums: Any) -> Any:
    """Add values[size:], one for each mark of a block, to those of its 16 sums; return how many are marked."""

    def write(code: Code) -> ir.Value:
        builder, (_, size, _, block, _) = code.builder, code.arguments
        bits, floats = ir.IntType(LANES), ir.VectorType(ir.FloatType(), LANES)
        mark, first = code.load(2, block, bits), builder.mul(block, block.type(LANES))
        mask = builder.bitcast(mark, ir.VectorType(ir.IntType(1), LANES))
        address, nothing = code.at(0, size, ir.FloatType()), ir.Constant(floats, [0.0] * LANES)
        own = code.call(f"llvm.masked.expandload.v{LANES}f32", floats, address, mask, nothing)
        code.store(builder.fadd(code.load(4, first, floats), own), 4, first)
        return builder.zext(code.call(f"llvm.ctpop.i{LANES}", bits, mark), size.type)

    return operation(types.intp(values, types.intp, marks, types.intp, sums), write)


@njit(nogil=True, cache=True)
def add_to_marked(values: Floats, marks: Marks, sums: Floats) -> None:
    """Add values, one for each mark, to those of the sums (n,) that are marked; both contiguous, none checked."""
    size, whole = 0, len(sums) // LANES
    for block in range(whole):
        size += _add_sixteen(values, size, marks, block, sums)  # type: ignore[call-arg]
    for place in range(whole * LANES, len(sums)):
        if marks[whole] >> (place % LANES) & 1:
            sums[place] += values[size]
            size += 1
