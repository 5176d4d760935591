"""Operations that numba has no name for, written in LLVM's language for vectors: what their authors share."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils


def vector(count: int, bits: int) -> ir.VectorType:
    """Return the type of so many whole numbers of so many bits."""
    return ir.VectorType(ir.IntType(bits), count)


class Code:
    """Writes the body of an operation; an address is an argument that is an array, and an index into it."""

    def __init__(self, context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> None:
        """Take what numba hands to the author of an intrinsic."""
        self.builder, self.arguments = builder, arguments
        self._arrays = {
            place: context.make_array(kind)(context, builder, value).data
            for place, (kind, value) in enumerate(zip(signature.args, arguments, strict=True))
            if isinstance(kind, types.Array)
        }

    def at(self, place: int, index: ir.Value, kind: ir.Type) -> ir.Value:
        """Return the address of the argument's element `index`, as one of another type."""
        return self.builder.bitcast(self.builder.gep(self._arrays[place], [index]), kind.as_pointer())

    def load(self, place: int, index: ir.Value, kind: ir.Type) -> ir.Value:
        """Read a value from an address, aligned or not."""
        loaded = self.builder.load(self.at(place, index, kind))
        loaded.align = 1
        return loaded

    def store(self, value: ir.Value, place: int, index: ir.Value) -> None:
        """Write a value to an address, aligned or not."""
        self.builder.store(value, self.at(place, index, value.type)).align = 1

    def shuffle(self, a: ir.Value, b: ir.Value, places: list[int]) -> ir.Value:
        """Return the elements of a and b at these places, those of b counted on from those of a."""
        return self.builder.shuffle_vector(a, b, ir.Constant(vector(len(places), 32), places))

    def splat(self, value: ir.Value, count: int) -> ir.Value:
        """Return a value in every lane."""
        undefined = ir.Constant(ir.VectorType(value.type, count), ir.Undefined)
        one = self.builder.insert_element(undefined, value, ir.IntType(32)(0))
        return self.shuffle(one, one, [0] * count)

    def call(self, name: str, returned: ir.Type, *arguments: ir.Value) -> ir.Value:
        """Call one of LLVM's own functions."""
        kind = ir.FunctionType(returned, [argument.type for argument in arguments])
        function = cgutils.get_or_insert_function(self.builder.module, kind, name)  # type: ignore[no-untyped-call]
        return self.builder.call(function, arguments)

    def variable(self, value: ir.Value) -> ir.Value:
        """Return the address of a new variable, which the compiler keeps in a register if it can."""
        return cgutils.alloca_once_value(self.builder, value)  # type: ignore[no-untyped-call]

    def fetch(self, place: int, index: ir.Value) -> None:
        """Have the cache line of an address brought near: for reading, into the second level."""
        word = ir.IntType(32)
        address = self.at(place, index, ir.IntType(8))
        self.call("llvm.prefetch.p0", ir.VoidType(), address, word(0), word(2), word(1))

    @contextmanager
    def loop(self, count: ir.Value) -> Iterator[ir.Value]:
        """Repeat what is written inside, for 0 … count − 1."""
        with cgutils.for_range(self.builder, count) as loop:
            yield loop.index


def operation(signature: Any, write: Callable[[Code], ir.Value | None]) -> tuple[Any, Any]:
    """Return what an intrinsic returns: its signature, and how its body is written; no value if it returns nothing."""

    def build(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        value = write(Code(context, builder, signature, arguments))
        return context.get_dummy_value() if value is None else value

    return signature, build
