"""Estimates of all scores of an embedding by 4-bit codes: serial, nogil, compiled once and cached.

Every item vector is kept as 8-bit codes: code c of an item stands for (c − 127.5) · scale. Here the upper four bits of
all codes are read, an eighth of the bytes of float32, for one query, or once for several. What an estimate misses,
and what is made of it, is in `scan_kernels`.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from service.array_types import Bytes, Floats, Ints, Longs
from service.nibbles import BLOCKS, LANES, MANY, NUMBERS, blocks_dots
from service.top_kernels import NOT_ELIGIBLE

SCALE, LENGTH, COARSE_ERROR, ERROR = range(4)
"""Rows of `bounds`: what a code counts; |item|; |item − its upper four bits|; |item − its codes|. Made for the queries
of a model, these lengths are times the largest cosine that such a query may have with what is missed."""
LARGEST = 127
ROUNDING = 2.0**-23
"""Twice what one operation on float32 may miss, relative to its result."""
STACK = 8
"""Items whose best estimate is kept: most of them never get a look of their own."""
_DOTS = 1024
"""Items whose dot products wait, in the first cache, to be made estimates: together, which takes less."""


class ScanCodes(NamedTuple):
    """Item vectors in 8 bits."""

    upper: Bytes
    """(⌈n / 16⌉, 2 · ⌈dim / 16⌉, 64): the upper four bits of every code, as `nibbles.blocks_dots` reads them."""
    lower: Bytes
    """(n, 64 · ⌈dim / 128⌉): the lower four bits, as `nibbles.dot_of` reads them."""
    bounds: Floats
    """(4, n): SCALE, LENGTH, COARSE_ERROR, ERROR."""


class CodedQuery(NamedTuple):
    """A query vector in 8 bits: about codes · unit."""

    codes: NDArray[np.int8]
    """(128 · ⌈dim / 128⌉,), padded with zeros."""
    unit: np.float32
    total: int
    """Sum of the codes."""
    length: np.float32
    """|query|, plus what its codes miss."""
    missed: np.float32
    """|query − codes · unit|, plus what float32 may miss of a score, by length of the item."""


@njit(nogil=True, cache=True)
def code_query(query: Floats) -> CodedQuery:
    """Code a query vector."""
    largest, square = np.float32(0.0), 0.0
    for value in query:
        largest = max(largest, abs(value))
        square += float(value) * float(value)
    unit = max(largest / np.float32(LARGEST), np.float32(1e-37))
    codes, total, missed = np.zeros(-(-len(query) // NUMBERS) * NUMBERS, np.int8), 0, 0.0
    for j in range(len(query)):
        code = round(query[j] / unit)
        codes[j] = code
        total += code
        missed += (float(query[j]) - float(unit) * code) ** 2
    length, missed = np.sqrt(square), np.sqrt(missed)
    rounding = ROUNDING * (len(query) + 16) * length
    return CodedQuery(codes, unit, total, np.float32(length + missed), np.float32(missed + rounding))


class CodedQueries(NamedTuple):
    """`CodedQuery` of several, a row each."""

    codes: NDArray[np.int8]
    units: Floats
    totals: Longs
    lengths: Floats
    missed: Floats


@njit(nogil=True, cache=True)
def code_queries(queries: Floats) -> CodedQueries:
    """Code query vectors (b, dim)."""
    n = len(queries)
    codes, totals = np.zeros((n, -(-queries.shape[1] // NUMBERS) * NUMBERS), np.int8), np.zeros(n, np.int64)
    units, lengths, missed = np.zeros(n, np.float32), np.zeros(n, np.float32), np.zeros(n, np.float32)
    for q in range(n):
        codes[q], units[q], totals[q], lengths[q], missed[q] = code_query(queries[q])
    return CodedQueries(codes, units, totals, lengths, missed)


@njit(nogil=True, cache=True)
def one_of(queries: CodedQueries, q: int) -> CodedQuery:
    """Return a row."""
    return CodedQuery(queries.codes[q], queries.units[q], queries.totals[q], queries.lengths[q], queries.missed[q])


class Estimates(NamedTuple):
    """Of all scores, by the upper four bits: parts of one array."""

    scores: Floats
    """(n,)."""
    best: Floats
    """(m,), m = ⌈n / 8⌉: the best of the items place, place + m, place + 2 m, …: one instruction takes many."""


@njit(nogil=True, cache=True)
def parts_of(joined: Floats, n: int) -> Estimates:
    """Return the parts of `estimate` for n items."""
    return Estimates(joined[:n], joined[n:])


@njit(nogil=True, cache=True)
def estimate(upper: Bytes, bounds: Floats, biases: Floats, queries: CodedQueries, first: int, count: int) -> Floats:
    """Return Estimates, joined, of queries first … first + count − 1, one below the other, before `finish`.

    count: MANY at most.
    """
    n, steps, scales, packed = len(biases), upper.shape[1] // 2, bounds[SCALE], upper.reshape(upper.size)
    dots, joined = np.empty((MANY, _DOTS), np.int32), np.empty((count, n + -(-n // STACK)), np.float32)
    codes, all_dots, apart = queries.codes[first:].reshape(-1), dots.reshape(dots.size), queries.codes.shape[1]
    for begin in range(0, n, _DOTS):
        stop = min(begin + _DOTS, n)
        for lane in range(0, stop - begin, BLOCKS * LANES):
            at = packed, (begin + lane) // LANES, (n - 1) // LANES, steps
            blocks_dots(*at, codes, apart, all_dots, lane, _DOTS, count)  # type: ignore[call-arg]
        for place in range(count):
            query = one_of(queries, first + place)
            _put_estimates(dots[place], query, scales[begin:stop], biases[begin:stop], joined[place, begin:stop])
    return joined


@njit(nogil=True, cache=True, fastmath={"contract"})
def _put_estimates(dots: Ints, query: CodedQuery, scales: Floats, biases: Floats, scores: Floats) -> None:
    count, shift = np.float32(16 * query.unit), np.float32(120 * query.total * query.unit)
    for lane in range(len(scores)):
        scores[lane] = (count * np.float32(dots[lane]) - shift) * scales[lane] + biases[lane]


@njit(nogil=True, cache=True)
def finish(joined: Floats, n: int, excluded: Ints) -> None:
    """Mark excluded items, and look for the best of each stack."""
    scores, best = parts_of(joined, n)
    scores[excluded] = NOT_ELIGIBLE
    _stack(scores, best)


@njit(nogil=True, cache=True, fastmath={"nnan", "nsz"})
def _stack(scores: Floats, best: Floats) -> None:
    """Write the best of each stack."""
    best[:] = scores[: len(best)]
    for first in range(len(best), len(scores), len(best)):
        part = scores[first : first + len(best)]
        for place in range(len(part)):
            best[place] = max(best[place], part[place])
