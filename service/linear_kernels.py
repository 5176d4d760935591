"""The best items by history @ W for several histories: serial, nogil, compiled once and cached.

One call for all of them: what Python does for a call, and for each array that it hands over, takes as long as half of
a sum of sparse rows.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numba import njit
from numba.extending import overload

from service.array_types import Bools, Floats, Ints, Longs
from service.compact_kernels import CompactWeights, score_history_compact
from service.history_kernels import known
from service.kernels import Columns, score_history_dense, score_history_sparse
from service.top_kernels import NOT_ELIGIBLE, top_k


class DenseWeights(NamedTuple):
    """W as it is."""

    W: Floats
    """(n, n), C-contiguous."""


class SparseWeights(NamedTuple):
    """W in compressed rows."""

    indptr: Longs
    columns: Columns
    values: Floats
    n_items: int


Weights: TypeAlias = DenseWeights | SparseWeights | CompactWeights


def _dense(W: Any, items: Any, weights: Any) -> Any:
    return score_history_dense(W.W, items, weights)


def _sparse(W: Any, items: Any, weights: Any) -> Any:
    return score_history_sparse(W.indptr, W.columns, W.values, W.n_items, items, weights)


def _compact(W: Any, items: Any, weights: Any) -> Any:
    return score_history_compact(W.indptr, W.largest_columns, W.largest, W.marks, W.codes, W.scales, items, weights)


_SCORES: Mapping[type[Weights], Callable[[Any, Any, Any], Any]] = {
    DenseWeights: _dense,
    SparseWeights: _sparse,
    CompactWeights: _compact,
}


def score_history(W: Weights, items: Ints, weights: Floats) -> Floats:
    """Return x @ W (n,) for the sparse row vector x of a history."""
    scores: Floats = _SCORES[type(W)](W, items, weights)
    return scores


@overload(score_history)
def _score_history(W: Any, items: Any, weights: Any) -> Any:  # noqa: ARG001
    """Do the same in what is compiled."""
    return _SCORES[W.instance_class]


@njit(nogil=True, cache=True)
def best_of(
    W: Weights, to_model: Ints, weighting: int, items: Ints, counts: Ints, excluded: Ints, allowed: Bools, k: int
) -> tuple[Ints, Floats, Floats]:
    """Return the model's best k items for a history, their scores, and those of all its items, for more of them.

    The history and the filters are in the release's items, an empty `allowed` allows all; to_model, weighting: of
    `history_kernels.known`. −inf is the score of what may not be returned; without an item of the model there are none.
    """
    own, weights = known(items, counts, to_model, weighting)
    if len(own) == 0:
        return np.empty(0, np.int32), np.empty(0, np.float32), np.empty(0, np.float32)
    of_all = score_history(W, own, weights)
    for item in excluded:
        local = to_model[item] if len(to_model) else item
        if local >= 0:
            of_all[local] = NOT_ELIGIBLE
    for item in range(len(allowed)):
        local = to_model[item] if len(to_model) else item
        if local >= 0 and not allowed[item]:
            of_all[local] = NOT_ELIGIBLE
    best, scores = top_k(of_all, k)
    return best, scores, of_all


@njit(nogil=True, cache=True)
def best_of_each(
    W: Weights,
    to_model: Ints,
    weighting: int,
    items: Ints,
    counts: Ints,
    starts: Ints,
    excluded: Ints,
    excluded_starts: Ints,
    k: int,
) -> tuple[Ints, Floats, Ints]:
    """Return for b histories the model's best items (b, k), their scores (b, k), and how many there are (b,).

    items[starts[q] : starts[q + 1]], counts likewise: history q; excluded likewise; the rest as of `best_of`.
    """
    n, all_allowed = len(starts) - 1, np.empty(0, np.bool_)
    best, scores, sizes = np.zeros((n, k), np.int32), np.zeros((n, k), np.float32), np.zeros(n, np.int32)
    for q in range(n):
        begin, end = starts[q], starts[q + 1]
        own_excluded = excluded[excluded_starts[q] : excluded_starts[q + 1]]
        found, their, _ = best_of(
            W, to_model, weighting, items[begin:end], counts[begin:end], own_excluded, all_allowed, k
        )
        sizes[q] = len(found)
        best[q, : len(found)], scores[q, : len(found)] = found, their
    return best, scores, sizes
