"""Sums of products of packed 4-bit numbers with 8-bit ones, in LLVM's vector language.

What numba makes of the plain loops is a fraction as fast. All of it comes down to one operation on a cache line:
64 unsigned bytes times 64 signed ones, summed by fours into 16 whole numbers. Processors with VNNI do that in one
step; on others LLVM makes of it what it can, with the same result.
"""

from typing import Any

import llvmlite.binding as llvm  # type: ignore[import-untyped]
from llvmlite import ir
from numba import njit, types
from numba.core import config
from numba.extending import intrinsic

from service.vector_code import Code, operation, vector

BYTES = 64
"""A cache line. Byte b of a line holds one number in its lower 4 bits and one in its upper ones."""
NUMBERS = 2 * BYTES
LANES, GROUP = 16, 4
"""The sums of a line, and how many bytes belong to each."""


def _has_vnni() -> bool:
    """Whether the processor that is compiled for multiplies and sums bytes in one step."""
    name, features = getattr(config, "CPU_NAME", None), getattr(config, "CPU_FEATURES", None)  # NUMBA_CPU_NAME, …
    if features is None:
        return name is None and bool(llvm.get_host_cpu_features().get("avx512vnni"))
    return "+avx512vnni" in features


VNNI = _has_vnni()


LINE, SUMS = vector(BYTES, 8), vector(LANES, 32)


def _lower(code: Code, line: ir.Value) -> ir.Value:
    return code.builder.and_(line, ir.Constant(LINE, [0x0F] * BYTES))


def _upper(code: Code, line: ir.Value) -> ir.Value:
    return code.builder.lshr(line, ir.Constant(LINE, [4] * BYTES))


def _upper_times_16(code: Code, line: ir.Value) -> ir.Value:
    """Return sixteen times the upper numbers: less to wait for than a shift, where a sum can be divided at its end."""
    return code.builder.and_(line, ir.Constant(LINE, [0xF0] * BYTES))


def _plus_dots(code: Code, sums: ir.Value, unsigned: ir.Value, signed: ir.Value) -> ir.Value:
    """Return sums + the products of bytes, summed by fours; unsigned: LINE, signed: SUMS of four bytes each."""
    if VNNI:
        return code.call("llvm.x86.avx512.vpdpbusd.512", SUMS, sums, code.builder.bitcast(unsigned, SUMS), signed)
    wide = vector(BYTES, 32)
    products = code.builder.mul(
        code.builder.zext(unsigned, wide), code.builder.sext(code.builder.bitcast(signed, LINE), wide)
    )
    for place in range(GROUP):
        part = code.shuffle(products, products, list(range(place, BYTES, GROUP)))
        sums = code.builder.add(sums, part)
    return sums


@intrinsic
def _lines_dot(_: Any, packed: Any, start: Any, lines: Any, query: Any) -> Any:
    """Return Σ number · query over lines: packed[start : start + 64 · lines], query[: 128 · lines].

    Of a line's 128 numbers of the query, number b belongs to the lower half of byte b, number 64 + b to the upper.
    """

    def write(code: Code) -> ir.Value:
        builder, (_, start, lines, _) = code.builder, code.arguments
        lower, upper = (code.variable(ir.Constant(SUMS, [0] * LANES)) for _ in range(2))
        with code.loop(lines) as line:
            byte = builder.mul(line, line.type(BYTES))
            packed_line = code.load(0, builder.add(start, byte), LINE)
            number = builder.mul(line, line.type(NUMBERS))
            parts = (lower, _lower(code, packed_line), 0), (upper, _upper_times_16(code, packed_line), BYTES)
            for sums, part, first in parts:
                own = code.load(3, builder.add(number, number.type(first)), SUMS)
                builder.store(_plus_dots(code, builder.load(sums), part, own), sums)
        total = builder.add(builder.load(lower), _sixteenth(code, builder.load(upper)))
        return code.call(f"llvm.vector.reduce.add.v{LANES}i32", ir.IntType(32), total)

    return operation(types.int32(packed, types.intp, types.intp, query), write)


def _sixteenth(code: Code, sums: ir.Value) -> ir.Value:
    return code.builder.ashr(sums, ir.Constant(SUMS, [4] * LANES))


@njit(nogil=True, cache=True)
def dot_of(packed: Any, start: int, query: Any) -> Any:
    """Return the dot product (int) of a query with the lines that begin at byte `start`.

    packed: uint8, one-dimensional; query: int8, as long as the lines. Neither is checked.
    """
    return _lines_dot(packed, start, len(query) // NUMBERS, query)  # type: ignore[call-arg]


MANY = 8
"""Queries that are asked for at once: what is read of the packed vectors serves them all."""
BLOCKS = 4
"""Blocks of 16 vectors that are taken in one call, two or all at a time: what is read of a query serves those."""
_SUMS_KEPT = 16
"""Lines of sums that registers hold beside what is added to them."""


@intrinsic
def blocks_dots(
    _: Any,
    packed: Any,
    block: Any,
    last: Any,
    steps: Any,
    queries: Any,
    apart: Any,
    sums: Any,
    first: Any,
    between: Any,
    count: Any,
) -> Any:
    """Set sums[first : first + 64] to the dot products of BLOCKS blocks of vectors with a query; of 1 … MANY, each …

    packed: uint8, one-dimensional, blocks of 16 vectors, each `steps` pairs of lines; block: the first that is taken;
    last: the last there is, whose sums are the last to be set; queries: int8, 16 numbers for each pair, those of the
    next query `apart` numbers later; sums: int32, those of the next query `between` later; count: of queries. A line
    holds 8 numbers of each vector: its bytes 4 i … 4 i + 3 are those of vector i, in their lower halves the first four,
    in the upper ones the others. Nothing is checked.
    """

    def write(code: Code) -> None:
        count = code.arguments[-1]
        for some in range(1, MANY + 1):  # code of its own for each: all sums are in registers
            with code.builder.if_then(code.builder.icmp_signed("==", count, count.type(some))):
                _write_blocks_dots(code, some)

    whole = types.intp
    return operation(types.void(packed, whole, whole, whole, queries, whole, sums, whole, whole, whole), write)


def _write_blocks_dots(code: Code, count: int) -> None:
    builder, (_, block, last, *_) = code.builder, code.arguments
    at_once = (BLOCKS if BLOCKS * count <= _SUMS_KEPT else 2) if VNNI else 1
    with code.loop(block.type(BLOCKS // at_once)) as part:
        begin = builder.add(block, builder.mul(part, part.type(at_once)))
        taken = [builder.add(begin, begin.type(place)) for place in range(at_once)]
        past = [builder.icmp_signed(">", one, last) for one in taken]  # the last once more does no harm
        _write_dots(code, count, [builder.select(*one) for one in zip(past, [last] * at_once, taken, strict=True)])


def _write_dots(code: Code, count: int, blocks: list[ir.Value]) -> None:
    """Write the sums of some blocks; those of upper numbers apart where there is room, which takes no shifts."""
    builder, (_, begin, _, steps, _, apart, _, first, between, _) = code.builder, code.arguments
    separate = 2 * count * len(blocks) <= _SUMS_KEPT
    kept = [
        [[code.variable(ir.Constant(SUMS, [0] * LANES)) for _ in range(1 + separate)] for _ in range(count)]
        for _ in blocks
    ]
    halves = _lower, _upper_times_16 if separate else _upper
    size = builder.mul(steps, steps.type(2 * BYTES))
    starts = [builder.mul(block, size) for block in blocks]
    with code.loop(steps) as step:
        for half in range(2):
            byte = builder.add(builder.mul(step, step.type(2 * BYTES)), step.type(half * BYTES))
            lines = [code.load(0, builder.add(start, byte), LINE) for start in starts]
            for place, of_line in enumerate(halves):
                parts = [of_line(code, line) for line in lines]
                number = builder.add(builder.mul(step, step.type(LANES)), step.type(GROUP * (2 * half + place)))
                for query in range(count):
                    at = builder.add(number, builder.mul(apart, apart.type(query)))
                    four = code.splat(code.load(4, at, ir.IntType(32)), LANES)
                    for part, of_block in zip(parts, kept, strict=True):
                        own = of_block[query][place % len(of_block[query])]
                        builder.store(_plus_dots(code, builder.load(own), part, four), own)
    for block, of_block in zip(blocks, kept, strict=True):
        lane = builder.add(first, builder.mul(builder.sub(block, begin), block.type(LANES)))
        for query, sums in enumerate(of_block):
            lower, *upper = map(builder.load, sums)
            total = builder.add(lower, _sixteenth(code, upper[0])) if upper else lower
            code.store(total, 6, builder.add(lane, builder.mul(between, between.type(query))))


_LANE = 16
"""Bytes of the part of a line that the instructions for interleaving work on."""


def _interleaved(code: Code, a: ir.Value, b: ir.Value, size: int) -> tuple[ir.Value, ir.Value]:
    """Take `size` bytes of a and of b in turn, in each part of 16 bytes: of their first halves, of their second."""
    found = []
    for half in range(2):
        places = []
        for part in range(0, BYTES, _LANE):
            for first in range(part + half * _LANE // 2, part + (half + 1) * _LANE // 2, size):
                places += [*range(first, first + size), *range(BYTES + first, BYTES + first + size)]
        found.append(code.shuffle(a, b, places))
    return found[0], found[1]


ROWS = 8
"""How many `add_rows` takes at once: more would take fewer reads and writes of the sums, but no less time."""


@intrinsic
def add_rows(
    _: Any, packed: Any, starts: Any, row: Any, ahead: Any, shift: Any, lines: Any, factors: Any, sums: Any, first: Any
) -> Any:
    """Add a part of ROWS rows of packed numbers, each times its factor, to sums[first : first + 128 · lines].

    packed: uint8, one-dimensional; starts: int64, for each row the byte that its part of so many lines begins at; row:
    place in it of the first of these rows; ahead: of as many whose parts, `shift` bytes later, are fetched meanwhile;
    factors: int8, one for each of `starts`; sums: int32, 128 for each line, in the order of `ORDER`. Nothing is
    checked.
    """

    def write(code: Code) -> None:
        builder, (_, _, row, ahead, shift, lines, _, _, first) = code.builder, code.arguments
        now, later = (
            [code.load(1, builder.add(place, place.type(one)), ir.IntType(64)) for one in range(ROWS)]
            for place in (row, ahead)
        )
        own = [
            code.splat(code.load(6, builder.add(row, row.type(four)), ir.IntType(32)), LANES)
            for four in range(0, ROWS, GROUP)
        ]
        with code.loop(lines) as line:
            at = builder.mul(line, line.type(BYTES))
            for start in later:
                code.fetch(0, builder.add(start, builder.add(shift, at)))
            begin = builder.add(first, builder.mul(line, line.type(NUMBERS)))
            places = [builder.add(begin, begin.type(LANES * place)) for place in range(2 * GROUP)]
            found = [code.load(7, place, SUMS) for place in places]
            for four, factor in enumerate(own):
                begun = now[GROUP * four : GROUP * (four + 1)]
                groups = _by_fours(code, *(code.load(0, builder.add(start, at), LINE) for start in begun))
                parts = [half(code, group) for half in (_lower, _upper) for group in groups]
                found = [_plus_dots(code, *one, factor) for one in zip(found, parts, strict=True)]
            for value, place in zip(found, places, strict=True):
                code.store(value, 7, place)

    whole = types.intp
    return operation(types.void(packed, starts, whole, whole, whole, whole, factors, sums, whole), write)


def _by_fours(code: Code, a: ir.Value, b: ir.Value, c: ir.Value, d: ir.Value) -> list[ir.Value]:
    """Put the bytes of four lines side by side, one of each; return the four lines that come of it."""
    pairs = zip(_interleaved(code, a, b, 1), _interleaved(code, c, d, 1), strict=True)
    return [group for pair in pairs for group in _interleaved(code, *pair, 2)]


ORDER = tuple(
    half * BYTES + _LANE * lane + GROUP * group + byte
    for half in range(2)
    for group in range(GROUP)
    for lane in range(BYTES // _LANE)
    for byte in range(GROUP)
)
"""Where `add_rows` finds the number for each of a line's 128 sums: byte b, and 64 more if in its upper half."""
