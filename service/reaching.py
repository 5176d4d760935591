"""Which values reach a bar: many are looked at together, without a branch for each."""

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.extending import intrinsic

from service.array_types import Floats, Ints
from service.vector_code import Code, operation, vector

LANES = 16
"""Values that are looked at together."""


@intrinsic
def _put_sixteen(_: Any, values: Any, first: Any, place: Any, least: Any, found: Any, size: Any) -> Any:
    """Write where values[first : first + 16], all float32, are `least` or more to found[size:]; return how many are.

    place: what is written for the first of them. Sixteen places of `found` are written to; what follows those that
    reach it is of no use.
    """

    def write(code: Code) -> ir.Value:
        builder, (_, first, place, least, _, size) = code.builder, code.arguments
        word, floats = ir.IntType(32), ir.VectorType(ir.FloatType(), LANES)
        mask = builder.fcmp_ordered(">=", code.load(0, first, floats), code.splat(least, LANES))
        lanes = ir.Constant(vector(LANES, 32), list(range(LANES)))
        places = builder.add(code.splat(builder.trunc(place, word), LANES), lanes)
        kept = ir.Constant(vector(LANES, 32), ir.Undefined)
        marked = code.call(f"llvm.experimental.vector.compress.v{LANES}i32", places.type, places, mask, kept)
        code.store(marked, 4, size)  # whole: to store only what is marked takes some processors ten times as long
        return builder.zext(
            code.call(f"llvm.ctpop.i{LANES}", ir.IntType(LANES), builder.bitcast(mask, ir.IntType(LANES))), size.type
        )

    return operation(types.intp(values, types.intp, types.intp, types.float32, found, types.intp), write)


@njit(nogil=True, cache=True)
def put_reaching(values: Floats, first: int, least: Any, found: Ints, size: int) -> int:
    """Write first + place of the values (n,) that are `least` or more to found[size:]; return the new size.

    values: contiguous; found: with room for LANES more than there are values.
    """
    n, bar = len(values), np.float32(least)
    whole = n - n % LANES
    for place in range(0, whole, LANES):
        size += _put_sixteen(values, place, first + place, bar, found, size)  # type: ignore[call-arg]
    for place in range(whole, n):
        found[size] = first + place
        size += values[place] >= bar
    return size


@njit(nogil=True, cache=True)
def reaching(values: Floats, least: Any) -> Ints:
    """Return where values (n,), contiguous, are `least` or more, ascending."""
    found = np.empty(len(values) + LANES, np.int32)
    return found[: put_reaching(values, 0, least, found, 0)]
