"""Where an array of marks is true: many at a time, without a branch for each."""

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.extending import intrinsic

from service.array_types import Bools, Ints
from service.vector_code import Code, operation, vector

LANES = 16
"""Marks that are looked at together."""


@intrinsic
def _put_marked(_: Any, marked: Any, first: Any, found: Any, size: Any) -> Any:
    """Write the places from `first` to first + 15 that are marked to found[size:]; return how many they are.

    Sixteen places of `found` are written to; what follows those that are marked is of no use.
    """

    def write(code: Code) -> ir.Value:
        builder, (_, first, _, size) = code.builder, code.arguments
        marks, word = code.load(0, first, vector(LANES, 8)), ir.IntType(32)
        mask = builder.icmp_unsigned("!=", marks, ir.Constant(vector(LANES, 8), [0] * LANES))
        one = builder.insert_element(ir.Constant(vector(LANES, 32), ir.Undefined), builder.trunc(first, word), word(0))
        places = builder.add(code.shuffle(one, one, [0] * LANES), ir.Constant(vector(LANES, 32), list(range(LANES))))
        kept = ir.Constant(vector(LANES, 32), ir.Undefined)
        marked = code.call(f"llvm.experimental.vector.compress.v{LANES}i32", places.type, places, mask, kept)
        code.store(marked, 2, size)  # whole: to store only what is marked takes some processors ten times as long
        return builder.zext(
            code.call(f"llvm.ctpop.i{LANES}", ir.IntType(LANES), builder.bitcast(mask, ir.IntType(LANES))), size.type
        )

    return operation(types.intp(marked, types.intp, found, types.intp), write)


@njit(nogil=True, cache=True)
def marks(n: int) -> Bools:
    """Return an array for n marks, as `indices` takes it: those that pad it are false."""
    made = np.empty(-(-n // LANES) * LANES, np.bool_)
    made[n:] = False
    return made


@njit(nogil=True, cache=True)
def indices(marked: Bools) -> Ints:
    """Return where it is true, ascending; marked: as `marks` made it."""
    found, size = np.empty(len(marked), np.int32), 0
    for first in range(0, len(marked), LANES):
        size += _put_marked(marked, first, found, size)  # type: ignore[call-arg]
    return found[:size]
