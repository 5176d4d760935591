"""Kernels over embeddings: serial, nogil, compiled once and cached.

The exact scan and the rescoring of what a graph found share one dot product, so that an item has
the same score, bit for bit, whichever way it was found.
"""

from typing import TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

from service.array_types import Bools, Floats, Ints
from service.kernels import holds
from service.prefetch import LINE, prefetch
from service.top_kernels import NOT_ELIGIBLE

Real: TypeAlias = float | np.float32
Whole: TypeAlias = int | np.int32
_ITEMS_AHEAD = 4
"""How early an item's vector is asked for."""


@njit(nogil=True, cache=True, inline="never", fastmath={"reassoc", "contract", "nsz"})
def _dot(a: Floats, b: Floats) -> np.float32:
    total = np.float32(0.0)
    for j in range(len(a)):
        total += a[j] * b[j]
    return total


@njit(nogil=True, cache=True)
def vectors_of(user_vectors: Floats, rows: Ints) -> tuple[Floats, Ints]:
    """Return the vectors (b, dim) of some rows, zeros for the row −1, and the places of those that are all zeros."""
    vectors, zero, size = np.zeros((len(rows), user_vectors.shape[1]), np.float32), np.empty(len(rows), np.int32), 0
    for place in range(len(rows)):
        if rows[place] >= 0:
            vectors[place] = user_vectors[rows[place]]
        zero[size] = place
        size += not vectors[place].any()
    return vectors, zero[:size]


@njit(nogil=True, cache=True)
def score_some(items: Ints, vectors: Floats, biases: Floats, query: Floats) -> Floats:
    """Return the scores of some items, those of `score_items`; their vectors are asked for ahead."""
    dim, flat, scores = vectors.shape[1], vectors.reshape(vectors.size), np.empty(len(items), np.float32)
    for place in range(len(items)):
        if place + _ITEMS_AHEAD < len(items):
            begin = np.int64(items[place + _ITEMS_AHEAD]) * dim
            for number in range(begin, begin + dim, LINE // 4):
                prefetch(flat, number)
        scores[place] = _dot(vectors[items[place]], query) + biases[items[place]]
    return scores


@njit(nogil=True, cache=True)
def score_items(vectors: Floats, biases: Floats, query: Floats, allowed: Bools) -> Floats:
    """Return query · item + bias of every item; −inf where it is not allowed (empty: all are).

    vectors: (n, dim), biases: (n,), query: (dim,).
    """
    scores = np.empty(len(vectors), np.float32)
    for item in range(len(vectors)):
        if len(allowed) == 0 or allowed[item]:
            scores[item] = _dot(vectors[item], query) + biases[item]
        else:
            scores[item] = NOT_ELIGIBLE
    return scores


@njit(nogil=True, cache=True)
def cosine_items(vectors: Floats, item: Whole, allowed: Bools) -> Floats:
    """Return the cosine between an item and every item: 0 where a vector is 0, −inf if not allowed."""
    query = vectors[item]
    length = np.sqrt(_dot(query, query))
    scores = np.zeros(len(vectors), np.float32)
    for other in range(len(vectors)):
        if len(allowed) and not allowed[other]:
            scores[other] = NOT_ELIGIBLE
            continue
        product = length * np.sqrt(_dot(vectors[other], vectors[other]))
        if product > 0.0:
            scores[other] = _dot(vectors[other], query) / product
    return scores


@njit(nogil=True, cache=True)
def _ranks_after(score: Real, item: Whole, other_score: Real, other: Whole) -> bool:
    """Whether an item comes after another: lower score, or the same and a higher index."""
    return bool(score < other_score or (score == other_score and item > other))


@njit(nogil=True, cache=True)
def rank_found(
    found: NDArray[np.uint64],
    vectors: Floats,
    biases: Floats,
    query: Floats,
    excluded: Ints,
    allowed: Bools,
    after: tuple[float, int],
) -> tuple[Ints, Floats]:
    """Rescore what a graph found; return the eligible items that rank after (score, item), in order.

    found: (k,) distinct items, nearly sorted, which is what insertion sort is good at. A score of
    0 says nothing, as in `top_kernels.top_k`.
    """
    items, eligible = np.empty(len(found), np.int32), 0
    for label in found:
        item = int(label)
        items[eligible] = item
        eligible += (len(allowed) == 0 or allowed[item]) and not holds(excluded, item)
    scores = score_some(items[:eligible], vectors, biases, query)
    size = 0
    for position in range(eligible):
        item, score = int(items[position]), scores[position]
        if score == 0.0 or not _ranks_after(score, item, after[0], after[1]):
            continue
        place = size
        while place > 0 and _ranks_after(scores[place - 1], items[place - 1], score, item):
            scores[place], items[place] = scores[place - 1], items[place - 1]
            place -= 1
        scores[place], items[place] = score, item
        size += 1
    return items[:size], scores[:size]


@njit(nogil=True, cache=True)
def mask_before(scores: Floats, after: tuple[float, int]) -> None:
    """Mark as not eligible what does not rank after (score, item)."""
    for item in range(len(scores)):
        if not _ranks_after(scores[item], item, after[0], after[1]):
            scores[item] = NOT_ELIGIBLE
