"""Blending strategies over logged lists, many requests at once, by the very kernels that serve.

A *place* is generator · depth + position (0-based); a strategy gives n places for each request. The
last generator of `items` arrays is the fill: it supplies only when all lists have ended.
"""

import numba
import numpy as np

from service.array_types import Bools, Doubles, Ints, Longs
from service.cg.mixigen import RRF_CONSTANT
from service.mix_kernels import Merged, fuse, merge_by_curves, merge_by_shares

NOWHERE = -1
_LEAST_SHARE = 1e-12
"""What a share of 0 counts as when it serves."""


@numba.njit(cache=True)
def _begin(n, n_cgs, n_items):  # type: ignore[no-untyped-def]
    return Merged(
        np.empty(n, np.int32),
        np.empty(n, np.int32),
        np.empty(n, np.int32),
        np.zeros(n),
        np.zeros(n_cgs, np.int32),
        np.zeros(n_cgs, np.int32),
        np.zeros(n_items, np.bool_),
    )


@numba.njit(cache=True)
def _finish(merged, size, items, picks):  # type: ignore[no-untyped-def]
    """Write the places of a merge, then of the fill."""
    depth = items.shape[1]
    for place in range(size):
        picks[place] = merged.cg[place] * depth + merged.position[place]
    fill = len(items) - 1
    for at in range(depth):
        item = items[fill, at]
        if size == len(picks) or item < 0:
            return
        if not merged.taken[item]:
            picks[size] = fill * depth + at
            size += 1


@numba.njit(cache=True)
def _lengths(items):  # type: ignore[no-untyped-def]
    lengths = np.zeros(len(items) - 1, np.int32)
    for cg in range(len(lengths)):
        lengths[cg] = np.sum(items[cg] >= 0)
    return lengths


@numba.njit(cache=True)
def _merge_one(items, curves, n_items, picks):  # type: ignore[no-untyped-def]
    lengths = _lengths(items)
    merged = _begin(len(picks), len(lengths), n_items)
    merge_by_curves(merged, curves, items[:-1], lengths, np.ones(len(lengths), np.bool_))
    _finish(merged, merged.given.sum(), items, picks)


@numba.njit(cache=True)
def _share_one(items, shares, n_items, picks):  # type: ignore[no-untyped-def]
    lengths = _lengths(items)
    merged = _begin(len(picks), len(lengths), n_items)
    merge_by_shares(merged, shares, items[:-1], lengths, np.ones(len(lengths), np.bool_))
    _finish(merged, merged.given.sum(), items, picks)


@numba.njit(cache=True)
def _fuse_one(items, constant, n_items, picks):  # type: ignore[no-untyped-def]
    n = len(picks)
    lengths = np.minimum(_lengths(items), n).astype(np.int32)
    merged = _begin(n * len(lengths), len(lengths), n_items)
    size = fuse(merged, items[:-1], lengths, np.zeros(n_items, np.int32), constant)
    order = np.argsort(-merged.score[:size], kind="mergesort")[:n]
    best = _begin(n, len(lengths), n_items)
    for place in range(len(order)):
        best.cg[place] = merged.cg[order[place]]
        best.position[place] = merged.position[order[place]]
        best.taken[merged.item[order[place]]] = True
    _finish(best, len(order), items, picks)


@numba.njit(parallel=True, cache=True)
def _merge(items, list_of, curves, n_items, picks):  # type: ignore[no-untyped-def]
    for request in numba.prange(len(list_of)):
        own = np.ascontiguousarray(items[:, list_of[request]])
        _merge_one(own, curves[np.int64(request)], n_items, picks[request])


@numba.njit(parallel=True, cache=True)
def _share(items, list_of, shares, n_items, picks):  # type: ignore[no-untyped-def]
    for request in numba.prange(len(list_of)):
        _share_one(np.ascontiguousarray(items[:, list_of[request]]), shares, n_items, picks[request])


@numba.njit(parallel=True, cache=True)
def _fuse(items, list_of, constant, n_items, picks):  # type: ignore[no-untyped-def]
    for request in numba.prange(len(list_of)):
        _fuse_one(np.ascontiguousarray(items[:, list_of[request]]), constant, n_items, picks[request])


@numba.njit(parallel=True, cache=True)
def _mark(items, list_of, starts, wanted, n_items, marks):  # type: ignore[no-untyped-def]
    """Set marks[request, cg, position] where the item there is one of the request's wanted ones."""
    for request in numba.prange(len(list_of)):
        there = np.zeros(n_items, np.bool_)
        for place in range(starts[request], starts[request + 1]):
            if wanted[place] >= 0:
                there[wanted[place]] = True
        for cg in range(len(items)):
            for at in range(items.shape[2]):
                item = items[cg, list_of[request], at]
                marks[request, cg, at] = item >= 0 and there[item]


def merge(items: Ints, list_of: Longs, curves: Doubles, n_items: int, n: int) -> Ints:
    """Return places (n_requests, n) of the k-way merge by curves, −1 where all has ended.

    items: (n_cgs + 1, n_lists, depth), the last being the fill; list_of: (n_requests,) list of each
    request; curves: (n_requests, n_cgs, positions).
    """
    picks = np.full((len(list_of), n), NOWHERE, np.int32)
    _merge(items, list_of, np.ascontiguousarray(curves), n_items, picks)
    return picks


def share(items: Ints, list_of: Longs, shares: Doubles, n_items: int, n: int) -> Ints:
    """Return places of a fixed quota: shares (n_cgs,) of every prefix; equal ones are round-robin."""
    picks = np.full((len(list_of), n), NOWHERE, np.int32)
    _share(items, list_of, np.maximum(shares / shares.sum(), _LEAST_SHARE), n_items, picks)
    return picks


def reciprocal(items: Ints, list_of: Longs, n_items: int, n: int) -> Ints:
    """Return places of reciprocal rank fusion of the first n of each list."""
    picks = np.full((len(list_of), n), NOWHERE, np.int32)
    _fuse(items, list_of, RRF_CONSTANT, n_items, picks)
    return picks


def single(items: Ints, list_of: Longs, cg: int, n_items: int, n: int) -> Ints:
    """Return places of one generator alone, then the fill."""
    depth, fill = items.shape[2], len(items) - 1
    picks = share(np.ascontiguousarray(items[[cg, fill]]), list_of, np.ones(1), n_items, n)
    own = picks + cg * depth
    return np.where(picks < 0, NOWHERE, np.where(picks < depth, own, picks + (fill - 1) * depth)).astype(np.int32)


def sort_all(items: Ints, curves: Doubles, n: int) -> list[int]:
    """Score every place and sort: the plain way to the places of one request, without the fill.

    items: (n_cgs, depth); curves: (n_cgs, positions). The same as `merge` where no curve rises.
    """
    depth = items.shape[1]
    full = curves[:, np.minimum(np.arange(depth), curves.shape[1] - 1)]
    cg, position = np.indices(items.shape)
    order = np.lexsort((cg.ravel(), position.ravel(), -full.ravel()))
    taken: set[int] = set()
    picks: list[int] = []
    for place in order.tolist():
        item = int(items.ravel()[place])
        if item < 0 or item in taken or len(picks) == n:
            continue
        taken.add(item)
        picks.append(place)
    return picks


def mark(items: Ints, list_of: Longs, request: Longs, wanted: Longs, n_items: int) -> Bools:
    """Return (n_requests, n_lists, depth): where a request's wanted items stand in the lists.

    request: (m,) ascending, the request of each of `wanted` (m,), −1: an unknown item.
    """
    starts = np.searchsorted(request, np.arange(len(list_of) + 1))
    marks = np.zeros((len(list_of), len(items), items.shape[2]), np.bool_)
    _mark(items, list_of, starts, wanted, n_items, marks)
    return marks
