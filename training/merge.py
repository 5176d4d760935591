"""Blending strategies over logged lists, many requests at once.

A *place* is generator · depth + position (0-based); a strategy gives n places for each request. The
last generator of `places` arrays is the fill: it supplies only when all lists have ended.
"""

from collections.abc import Mapping

import numba
import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Rows = NDArray[np.int64]
Floats = NDArray[np.float32]
RRF_K = 60
NOWHERE = -1


@numba.njit(cache=True)
def _merge_one(items, scores, n_items, picks):  # type: ignore[no-untyped-def]
    """K-way merge of the lists items (n_cgs + 1, depth) by scores (n_cgs, positions) into picks (n,)."""
    n_lists, depth = items.shape
    last = scores.shape[1] - 1
    head = np.zeros(n_lists, np.int64)
    taken = np.zeros(n_items, np.bool_)
    filled = 0
    while filled < len(picks):
        best = -1
        for cg in range(n_lists - 1):
            at = head[cg]
            if at < depth and items[cg, at] >= 0:
                score = scores[cg, min(at, last)]
                if best < 0:
                    best = cg
                    continue
                other = scores[best, min(head[best], last)]
                if score > other or (score == other and at < head[best]):
                    best = cg
        if best < 0:
            best = n_lists - 1
            if head[best] >= depth or items[best, head[best]] < 0:
                return
        item = items[best, head[best]]
        if not taken[item]:
            taken[item] = True
            picks[filled] = best * depth + head[best]
            filled += 1
        head[best] += 1


@numba.njit(parallel=True, cache=True)
def _merge(items, list_of, scores, n_items, picks):  # type: ignore[no-untyped-def]
    """Merge for every request; scores (1 or n_requests, n_cgs, positions)."""
    for request in numba.prange(len(list_of)):
        row = request if len(scores) > 1 else 0
        _merge_one(items[:, list_of[request]], scores[row], n_items, picks[request])


@numba.njit(parallel=True, cache=True)
def _fuse(items, list_of, n_items, picks):  # type: ignore[no-untyped-def]
    """Reciprocal rank fusion of the first n of each list; equal sums: the lower item first."""
    n_cgs, depth = len(items) - 1, items.shape[2]
    n = picks.shape[1]
    for request in numba.prange(len(list_of)):
        lists = items[:, list_of[request]]
        score = np.zeros(n_items, np.float64)
        place = np.full(n_items, -1, np.int64)
        for cg in range(n_cgs):
            for at in range(min(n, depth)):
                item = lists[cg, at]
                if item < 0:
                    break
                score[item] += 1.0 / (RRF_K + 1 + at)
                if place[item] < 0:
                    place[item] = cg * depth + at
        found = np.flatnonzero(place >= 0)
        order = np.argsort(-score[found], kind="mergesort")[:n]
        picks[request, : len(order)] = place[found[order]]
        filled = len(order)
        for at in range(depth):
            item = lists[n_cgs, at]
            if filled == n or item < 0:
                break
            if place[item] < 0:
                picks[request, filled] = n_cgs * depth + at
                filled += 1


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


def merge(items: Ints, list_of: Rows, scores: Floats, n_items: int, n: int) -> Ints:
    """Return places (n_requests, n) of the k-way merge by scores, −1 where all has ended.

    items: (n_cgs + 1, n_lists, depth), the last being the fill; list_of: (n_requests,) list of each
    request; scores: (n_requests or 1, n_cgs, positions), the last of which holds beyond them. Equal
    scores: the lower position, then the order of the generators.
    """
    picks = np.full((len(list_of), n), NOWHERE, np.int32)
    _merge(items, list_of, np.ascontiguousarray(scores, np.float32), n_items, picks)
    return picks


def fuse(items: Ints, list_of: Rows, n_items: int, n: int) -> Ints:
    """Return places (n_requests, n) of reciprocal rank fusion, k = 60, depth n."""
    picks = np.full((len(list_of), n), NOWHERE, np.int32)
    _fuse(items, list_of, n_items, picks)
    return picks


def sort_all(items: Ints, scores: Floats, n: int) -> list[int]:
    """Score every place and sort: the plain way to the places of one request, without the fill.

    items: (n_cgs, depth); scores: (n_cgs, positions). The same as `merge` where scores do not rise
    with the position.
    """
    depth = items.shape[1]
    full = np.asarray(scores)[:, np.minimum(np.arange(depth), np.shape(scores)[1] - 1)]
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


def mark(items: Ints, list_of: Rows, request: Rows, wanted: Rows, n_items: int) -> NDArray[np.bool_]:
    """Return (n_requests, n_lists, depth): where a request's wanted items stand in the lists.

    request: (m,) ascending, the request of each of `wanted` (m,), −1: an unknown item.
    """
    starts = np.searchsorted(request, np.arange(len(list_of) + 1))
    marks = np.zeros((len(list_of), len(items), items.shape[2]), np.bool_)
    _mark(items, list_of, starts, wanted, n_items, marks)
    return marks


def round_robin_scores(n_cgs: int, depth: int) -> Floats:
    """Return scores (1, n_cgs, depth) by which all generators take turns."""
    return np.tile(-np.arange(depth, dtype=np.float32), (1, n_cgs, 1))


def quota_scores(shares: NDArray[np.float64], depth: int) -> Floats:
    """Return scores by which each generator supplies its share of every prefix, as nearly as it goes.

    The k-th item (from 1) of a generator with share s is due at k / s − 1 / (2 s); a share of 0 is
    used only after all others have ended.
    """
    due = (np.arange(depth) + 0.5) / np.maximum(shares, 1e-9)[:, None]
    return np.asarray(-due[None], np.float32)


def single_scores(cg: int, n_cgs: int, depth: int) -> Floats:
    """Return scores by which one generator supplies all, until its list has ended."""
    return quota_scores(np.eye(n_cgs)[cg], depth)


def fixed(name: str, n_cgs: int, depth: int, quotas: Mapping[str, NDArray[np.float64]]) -> Floats:
    """Return the scores of a strategy that is the same for all requests."""
    return round_robin_scores(n_cgs, depth) if name == "round_robin" else quota_scores(quotas[name], depth)
