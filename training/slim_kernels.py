"""Numba kernels of SLIM's coordinate descent: one item's column of W by growing working sets.

In Gram terms the column of item i minimises ½wᵀ(G + l2·I)w − (G_i − l1)ᵀw over w ≥ 0, w_i = 0. Only the few
items in the working set are descended on, with their own small Gram matrix; the correlations of all others
with the residual then tell which of them must join, until none has to. All kernels are serial and nogil.
"""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from training.slim_gram import add_row, gather_row

FIRST_WORKING_SET = 128


class Penalty(NamedTuple):
    """Objective and stopping rule, the same for every item."""

    l1: float
    l2: float
    tolerance: float
    """Largest change of a weight that counts as none, relative to the column's largest weight."""
    max_sweeps: int
    skip: bool
    """Leave out the pairs and items whose weights are known to be 0; false only to prove that."""
    binary: bool
    """All values of X are 1."""


class Space(NamedTuple):
    """Working arrays of one block: r (n_users,), the others (n_items,)."""

    r: NDArray[np.float32]
    c: NDArray[np.float32]
    position: NDArray[np.int32]
    candidates: NDArray[np.int32]
    chosen: NDArray[np.int32]
    members: NDArray[np.int32]
    w: NDArray[np.float32]
    h: NDArray[np.float32]
    q: NDArray[np.float32]


@numba.njit(nogil=True, cache=True)
def hopeless(gram, target, penalty):  # type: ignore[no-untyped-def]
    """On binary X the co-occurrence with any item is at most the item's own count: ≤ l1 means w = 0."""
    return penalty.skip and penalty.binary and gram.diagonal[target] <= penalty.l1


@numba.njit(nogil=True, cache=True)
def possible(c, k, target, penalty):  # type: ignore[no-untyped-def]
    """Whether item k may get a weight: c = G_i here, and as G w ≥ 0 only lowers it, c_k ≤ l1 means w_k = 0."""
    return k != target and (c[k] > penalty.l1 or not penalty.skip)


@numba.njit(nogil=True, cache=True, fastmath={"contract", "reassoc"})
def descend(sub, h, w, q, m, limit, penalty):  # type: ignore[no-untyped-def]
    """Cycle through the working set until no weight moves; returns the sweeps taken, `limit` if it still moves.

    sub: (≥ m, ≥ m) Gram matrix of the set; h = G_i − G w − l1 there, kept up to date; q = diagonal + l2.
    """
    l2, tolerance = np.float32(penalty.l2), np.float32(0.5 * penalty.tolerance)
    for sweep in range(limit):
        change = largest = np.float32(0)
        for a in range(m):
            new = max(np.float32(0), w[a] + (h[a] - l2 * w[a]) / q[a])
            step = new - w[a]
            if step != 0:
                w[a] = new
                row = sub[a]
                for b in range(m):
                    h[b] -= step * row[b]
                change = max(change, abs(step))
            largest = max(largest, new)
        if change <= tolerance * largest:
            return sweep + 1
    return limit


@numba.njit(nogil=True, cache=True)
def residual(r, columns, target, members, w, m):  # type: ignore[no-untyped-def]
    """r = a_i − X w over all users."""
    r[:] = 0
    for e in range(columns.starts[target], columns.starts[target + 1]):
        r[columns.users[e]] = columns.values[e]
    for a in range(m):
        if w[a] != 0:
            users = columns.users[columns.starts[members[a]] : columns.starts[members[a] + 1]]
            values = columns.values[columns.starts[members[a]] : columns.starts[members[a] + 1]]
            for e in range(users.size):
                r[users[e]] -= w[a] * values[e]


@numba.njit(nogil=True, cache=True, fastmath={"contract", "reassoc"})
def correlations(c, columns, r, items):  # type: ignore[no-untyped-def]
    """c_k = a_kᵀ r for the items given: G_i − G w, without reading a row of G for every weight."""
    for k in items:
        # slices, because numba then drops its checks of every index: three times as fast
        users = columns.users[columns.starts[k] : columns.starts[k + 1]]
        values = columns.values[columns.starts[k] : columns.starts[k + 1]]
        total = np.float32(0)
        for e in range(users.size):
            total += values[e] * r[users[e]]
        c[k] = total


@numba.njit(nogil=True, cache=True)
def choose(gram, candidates, m, penalty, space):  # type: ignore[no-untyped-def]
    """Put into `chosen` the candidates outside the set that would move, the steepest if many; returns how many."""
    largest = np.float32(0)
    for a in range(m):
        largest = max(largest, space.w[a])
    gains = np.empty(candidates.size, np.float32)
    count = 0
    for k in candidates:
        rise = space.c[k] - np.float32(penalty.l1)
        norm = gram.diagonal[k] + np.float32(penalty.l2)
        if space.position[k] < 0 and rise > np.float32(penalty.tolerance) * largest * norm:
            space.chosen[count] = k
            gains[count] = rise * rise / norm
            count += 1
    limit = max(FIRST_WORKING_SET, m)
    if count <= limit:
        return count
    least = np.partition(gains[:count], count - limit)[count - limit]
    kept = 0
    for e in range(count):
        if gains[e] >= least and kept < limit:
            space.chosen[kept] = space.chosen[e]
            kept += 1
    return kept


@numba.njit(nogil=True, cache=True)
def join(gram, penalty, space, sub, m, added):  # type: ignore[no-untyped-def]
    """Append chosen[:added] to the m members; returns `sub`, enlarged where needed, with their rows and columns."""
    size = m + added
    if size > sub.shape[0]:
        larger = np.empty((2 * size, 2 * size), np.float32)
        larger[:m, :m] = sub[:m, :m]
        sub = larger
    for a in range(m, size):
        k = space.chosen[a - m]
        space.members[a] = k
        space.position[k] = a
        space.q[a] = max(gram.diagonal[k] + np.float32(penalty.l2), np.float32(1e-30))
    for a in range(m, size):
        gather_row(sub[a], gram, space.members[a], space.members[:size], space.position)
        sub[:m, a] = sub[a, :m]
    for a in range(size):
        space.h[a] = space.c[space.members[a]] - np.float32(penalty.l1)
    return sub


@numba.njit(nogil=True, cache=True)
def begin(gram, target, warm_items, warm_weights, penalty, space):  # type: ignore[no-untyped-def]
    """Set c = G_i, list the candidates, choose the warm start's items; returns the numbers of both."""
    space.c[:] = 0
    add_row(space.c, gram, target, np.float32(1))
    count = 0
    for k in range(space.c.size):
        if possible(space.c, k, target, penalty):
            space.candidates[count] = k
            count += 1
    warm = 0
    for e in range(warm_items.size):
        if possible(space.c, warm_items[e], target, penalty):
            space.chosen[warm] = warm_items[e]
            space.w[warm] = warm_weights[e]
            warm += 1
    return count, warm


@numba.njit(nogil=True, cache=True)
def solve_item(columns, gram, target, warm_items, warm_weights, penalty, space, sub):  # type: ignore[no-untyped-def]
    """Solve one item into members[:m] and w[:m] of `space`; returns (m, converged, sub)."""
    count, fresh = begin(gram, target, warm_items, warm_weights, penalty, space)
    candidates = space.candidates[:count]
    m = 0
    left = penalty.max_sweeps
    if fresh > 0:  # c belongs to w = 0: bring it to the warm start
        residual(space.r, columns, target, space.chosen, space.w, fresh)
        correlations(space.c, columns, space.r, candidates)
    while left > 0:
        if m > 0 or fresh == 0:
            fresh = choose(gram, candidates, m, penalty, space)
            space.w[m : m + fresh] = 0
        if fresh == 0:
            break
        sub = join(gram, penalty, space, sub, m, fresh)
        m += fresh
        left -= descend(sub, space.h, space.w, space.q, m, left, penalty)
        residual(space.r, columns, target, space.members, space.w, m)
        correlations(space.c, columns, space.r, candidates)
    for a in range(m):
        space.position[space.members[a]] = -1
    return m, left > 0, sub
