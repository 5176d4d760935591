"""Numba kernels of SLIM's coordinate descent: LANES neighbouring columns of W at a time.

Column j of W minimises ½‖a_j − X w‖² + l1·Σw + ½·l2·‖w‖² over w ≥ 0, w_j = 0. The residuals of all columns of
a block lie side by side, so that one pass over the users of an item serves them all. All kernels are serial
and nogil.
"""

from typing import NamedTuple

import numba
import numpy as np

from service.array_types import Floats, Ints, Longs
from training.slim_lanes import LANES, aligned_rows, products, subtract

QUICK_SWEEPS = 10
"""Sweeps over the items that still move, before all candidates are looked at again."""
IGNORED = 0.01
"""(Step / tolerance)² up to which a step is not worth writing to the residuals."""


class Columns(NamedTuple):
    """X (n_users × n_items) by item: a CSC matrix that numba can read."""

    starts: Longs
    users: Ints
    values: Floats
    norms: Floats
    """(n_items,); squared norm of every column."""
    n_users: int


class Penalty(NamedTuple):
    """Objective and stopping rule, the same for every item."""

    l1: float
    l2: float
    tolerance: float
    """Step that counts as none: |step|·√(‖a_k‖² + l2), as a share of the column's norm."""
    max_sweeps: int
    skip: bool
    """Leave out the items whose weights are known to be 0; false only to prove that."""


class Block(NamedTuple):
    """State of LANES columns of W; rows of LANES floats from `aligned_rows`."""

    first: int
    r: Floats
    """(n_users, LANES); a_j − X w_j."""
    w: Floats
    """(n_items, LANES)."""
    scale: Floats
    """(LANES,); 1 / (tolerance · norm)² of each column, 0 for an empty one."""
    worst: Floats
    """(LANES,); the largest (step / tolerance)² of the last sweep."""
    step: Floats
    """(LANES,); scratch."""


@numba.njit(nogil=True, cache=True)
def begin(columns, first, last, penalty):  # type: ignore[no-untyped-def]
    """Block of the columns first … last − 1 at w = 0."""
    small = aligned_rows(3)
    r, w, scale = aligned_rows(columns.n_users), aligned_rows(columns.norms.size), small[0]
    for j in range(first, last):
        for e in range(columns.starts[j], columns.starts[j + 1]):
            r[columns.users[e], j - first] = columns.values[e]
        if columns.norms[j] > 0:
            scale[j - first] = 1 / (penalty.tolerance**2 * columns.norms[j])
    return Block(first, r, w, scale, small[1], small[2])


@numba.njit(nogil=True, cache=True)
def candidates_of(columns, block, penalty):  # type: ignore[no-untyped-def]
    """Items that may get a weight in some column of a block at w = 0.

    There a_kᵀr = G_kj, and as X w ≥ 0 only lowers it, G_kj ≤ l1 means w_k = 0.
    """
    found = np.empty(columns.norms.size, np.int32)
    count = 0
    for k in range(found.size):
        products(block.step, columns.users, columns.values, columns.starts[k], columns.starts[k + 1], block.r)
        if 0 <= k - block.first < LANES:
            block.step[k - block.first] = 0
        if not penalty.skip or block.step.max() > penalty.l1:
            found[count] = k
            count += 1
    return found[:count]


@numba.njit(nogil=True, cache=True)
def start_from(columns, block, last, candidates, warm):  # type: ignore[no-untyped-def]
    """Set w to an earlier W (starts, items, weights by column), and r to match; only candidates are ever read."""
    starts, items, weights = warm
    for j in range(block.first, last):
        for e in range(starts[j], starts[j + 1]):
            if items[e] != j:
                block.w[items[e], j - block.first] = max(weights[e], np.float32(0))
    for k in candidates:
        block.step[:] = block.w[k]
        subtract(block.step, columns.users, columns.values, columns.starts[k], columns.starts[k + 1], block.r)


# fastmath is safe: everything is finite, which fit has checked
@numba.njit(nogil=True, cache=True, fastmath=True)
def sweep(items, movers, columns, block, penalty):  # type: ignore[no-untyped-def]
    """Descend once on every item given, in all columns; list those that moved in `movers` and return how many.

    `movers` may be the same array as `items`.
    """
    l1, l2, step, w = np.float32(penalty.l1), np.float32(penalty.l2), block.step, block.w
    block.worst[:] = 0
    count = 0
    for k in items:
        start, stop, norm = columns.starts[k], columns.starts[k + 1], columns.norms[k]
        products(step, columns.users, columns.values, start, stop, block.r)
        curvature = max(norm + l2, np.float32(1e-30))
        factor = np.float32(1) / curvature
        for lane in range(LANES):
            new = (step[lane] + norm * w[k, lane] - l1) * factor
            step[lane] = (new if new > 0 else np.float32(0)) - w[k, lane]
        if 0 <= k - block.first < LANES:
            step[k - block.first] = 0
        largest = np.float32(0)
        for lane in range(LANES):
            moved = step[lane] * step[lane] * block.scale[lane] * curvature
            block.worst[lane] = max(block.worst[lane], moved)
            largest = max(largest, moved)
        if largest > np.float32(IGNORED):
            for lane in range(LANES):
                w[k, lane] += step[lane]
            subtract(step, columns.users, columns.values, start, stop, block.r)
        if largest > 1:
            movers[count] = k
            count += 1
    return count


@numba.njit(nogil=True, cache=True)
def descend(candidates, columns, block, penalty):  # type: ignore[no-untyped-def]
    """Sweep until no candidate moves; returns how many columns still did after `max_sweeps`.

    Most weights settle early: the sweeps over what moved in the last one cost little, and only a sweep over
    all candidates that moves none of them ends it.
    """
    movers = np.empty(candidates.size, np.int32)
    count = quick = 0
    for _ in range(penalty.max_sweeps):
        if count == 0 or quick == QUICK_SWEEPS:
            count = sweep(candidates, movers, columns, block, penalty)
            quick = 0
            if count == 0:
                return 0
        else:
            count = sweep(movers[:count], movers, columns, block, penalty)
            quick += 1
    return (block.worst > 1).sum()


@numba.njit(nogil=True, cache=True)
def solve_block(columns, first, last, warm, penalty):  # type: ignore[no-untyped-def]
    """Columns first … last − 1 of W, at most LANES: (weights per column, items, weights, columns not solved)."""
    block = begin(columns, first, last, penalty)
    candidates = candidates_of(columns, block, penalty)
    if warm[0][first] < warm[0][last]:
        start_from(columns, block, last, candidates, warm)
    failed = descend(candidates, columns, block, penalty)
    counts = np.zeros(last - first, np.int64)
    for k in candidates:
        for lane in range(last - first):
            counts[lane] += block.w[k, lane] > 0
    items, weights = np.empty(counts.sum(), np.int32), np.empty(counts.sum(), np.float32)
    total = 0
    for lane in range(last - first):
        for k in candidates:
            if block.w[k, lane] > 0:
                items[total] = k
                weights[total] = block.w[k, lane]
                total += 1
    return counts, items, weights, failed
