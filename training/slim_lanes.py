"""Sparse columns against sixteen dense ones at a time: the two vector operations under SLIM's descent.

numba does not keep the sums of a short inner loop in registers, which makes the plain loops four times as
slow; these intrinsics write the loop with one vector of LANES floats instead.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic

LANES = 16
ALIGNMENT = 4 * LANES
"""Bytes: a row of LANES floats is one cache line."""

_LANE = ir.IntType(64)
_VECTOR = ir.VectorType(ir.FloatType(), LANES)
_CONTRACT = ("contract",)


@numba.njit(nogil=True, cache=True)
def aligned_rows(n):  # type: ignore[no-untyped-def]
    """(n, LANES) float32 zeros, each row on a cache line of its own."""
    buffer = np.zeros((n + 1) * LANES, np.float32)
    skip = (-(buffer.ctypes.data // 4)) % LANES
    return buffer[skip : skip + n * LANES].reshape(n, LANES)


def _row(builder: Any, base: Any, index: Any) -> Any:
    """Pointer to row `index` of an (n, LANES) array."""
    first = builder.mul(index, ir.Constant(_LANE, LANES))
    return builder.bitcast(builder.gep(base, [first]), _VECTOR.as_pointer())


def _spread(builder: Any, value: Any) -> Any:
    """The vector with `value` in every lane."""
    undefined, integer = ir.Constant(_VECTOR, ir.Undefined), ir.IntType(32)
    single = builder.insert_element(undefined, value, ir.Constant(integer, 0))
    return builder.shuffle_vector(single, undefined, ir.Constant(ir.VectorType(integer, LANES), [0] * LANES))


def _lane_operation(build: Callable[[Any, Any, Any, Any, Any], None]) -> Callable[..., Any]:
    """Intrinsic (vector, users, values, start, stop, r); `build(builder, vector pointer, start, stop, entry)` its body.

    `entry(e)` gives the pointer to r[users[e]], and values[e] in all lanes. Float32, but for users, int32, and
    the bounds, int64; the vector and r come from `aligned_rows`. Nothing is checked. The bounds are arguments
    because a slice in numba costs as much as twenty entries.
    """

    def operation(_context: Any, vector: Any, users: Any, values: Any, start: Any, stop: Any, r: Any) -> Any:
        wanted = (types.float32, types.int32, types.float32, types.float32)
        if tuple(getattr(a, "dtype", None) for a in (vector, users, values, r)) != wanted:
            return None
        if not (isinstance(start, types.Integer) and isinstance(stop, types.Integer)):
            return None

        def code(target: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            def data(n: int) -> Any:
                return target.make_array(signature.args[n])(target, builder, arguments[n]).data

            out, user_of, value_of, rows = (data(n) for n in (0, 1, 2, 5))

            def entry(e: Any) -> tuple[Any, Any]:
                user = builder.sext(builder.load(builder.gep(user_of, [e])), _LANE)
                return _row(builder, rows, user), _spread(builder, builder.load(builder.gep(value_of, [e])))

            build(builder, _row(builder, out, ir.Constant(_LANE, 0)), arguments[3], arguments[4], entry)
            return target.get_dummy_value()

        return types.void(vector, users, values, types.int64, types.int64, r), code

    return intrinsic(operation)


def _build_products(builder: Any, out: Any, start: Any, stop: Any, entry: Any) -> None:
    # two sums in turn: one alone waits for its own last addition
    zero = ir.Constant(_VECTOR, [0.0] * LANES)
    sums = [cgutils.alloca_once(builder, _VECTOR) for _ in range(2)]  # type: ignore[no-untyped-call]
    for total in sums:
        builder.store(zero, total)

    def add(e: Any, total: Any) -> None:
        row, value = entry(e)
        product = builder.fmul(builder.load(row, align=ALIGNMENT), value, flags=_CONTRACT)
        builder.store(builder.fadd(builder.load(total), product, flags=_CONTRACT), total)

    one, two = ir.Constant(_LANE, 1), ir.Constant(_LANE, 2)
    even = builder.sub(stop, builder.srem(builder.sub(stop, start), two))
    with cgutils.for_range_slice(builder, start, even, two, inc=True) as (e, _):
        add(e, sums[0])
        add(builder.add(e, one), sums[1])
    with cgutils.for_range_slice(builder, even, stop, one, inc=True) as (e, _):
        add(e, sums[0])
    builder.store(builder.fadd(builder.load(sums[0]), builder.load(sums[1])), out, align=ALIGNMENT)


def _build_subtraction(builder: Any, step: Any, start: Any, stop: Any, entry: Any) -> None:
    factor = builder.load(step, align=ALIGNMENT)
    with cgutils.for_range_slice(builder, start, stop, ir.Constant(_LANE, 1), inc=True) as (e, _):
        row, value = entry(e)
        change = builder.fmul(factor, value, flags=_CONTRACT)
        builder.store(builder.fsub(builder.load(row, align=ALIGNMENT), change, flags=_CONTRACT), row, align=ALIGNMENT)


products = _lane_operation(_build_products)
"""products(out, users, values, start, stop, r): out[lane] = Σ values[e] · r[users[e], lane], start ≤ e < stop."""

subtract = _lane_operation(_build_subtraction)
"""subtract(step, users, values, start, stop, r): r[users[e], lane] −= step[lane] · values[e], start ≤ e < stop."""
