"""The kernel of the first search of a graph: rescores and cuts in one call, since calls cost more than the work."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from service.array_types import Bools, Floats, Ints
from service.embedding_kernels import rank_found

BEFORE_ALL = (float(np.inf), -1)
"""Score and item that every other ranks after."""


@njit(nogil=True, cache=True)
def rank_settled(
    found: NDArray[np.uint64],
    vectors: Floats,
    biases: Floats,
    query: Floats,
    excluded: Ints,
    allowed: Bools,
    k: int,
    rounding: tuple[float, float, float],
) -> tuple[Ints, Floats]:
    """Return the best k of the beginning of a search list if the rest of it cannot rank among them, else nothing.

    The rest lies behind `found` by the graph's order; by exact scores only up to rounding: at most
    a·length² + b·length + c for a query of that length and `rounding` = (a, b, c).
    """
    items, scores = rank_found(found, vectors, biases, query, excluded, allowed, BEFORE_ALL)
    square = 0.0
    for value in query:
        square += value * value
    bound = rounding[0] * square + rounding[1] * np.sqrt(square) + rounding[2]
    if len(scores) > k and scores[k - 1] > scores[-1] + bound:
        return items[:k], scores[:k]
    return items[:0], scores[:0]
