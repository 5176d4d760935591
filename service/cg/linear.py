"""LinearItemToItemCG: scores = history @ W, for the item-item matrices of EASE and SLIM."""

from collections.abc import Callable

import numpy as np

from service import compact_kernels, kernels
from service.array_types import Floats, Ints
from service.cg.base import NOTHING, Filters, ItemMap, ListRanking, Query, Ranking, ScoreRanking
from service.compact_kernels import CompactWeights

Scorer = Callable[[Ints, Floats], Floats]
"""(history items, their weights) → scores (n_items,)."""


def dense_scorer(W: Floats) -> Scorer:
    """Score with W (n, n), C-contiguous float32."""
    return lambda items, weights: kernels.score_history_dense(W, items, weights)


def sparse_scorer(
    indptr: "np.ndarray[tuple[int], np.dtype[np.int64]]", columns: kernels.Columns, values: Floats
) -> Scorer:
    """Score with W in compressed rows."""
    n_items = len(indptr) - 1
    return lambda items, weights: kernels.score_history_sparse(indptr, columns, values, n_items, items, weights)


def compact_scorer(W: CompactWeights) -> Scorer:
    """Score with W in its compact form."""
    return lambda items, weights: compact_kernels.score_history_compact(*W, items, weights)


class LinearItemToItemCG:
    """Sums the rows of W that belong to the history; touches no other row, owns no user."""

    def __init__(self, name: str, score: Scorer, items: ItemMap, weighting: str) -> None:
        self.name = name
        self._score = score
        self._items = items
        self._weighting = weighting

    def rank(self, query: Query) -> Ranking:
        """Score all items; a history with no item of the model has nothing to say."""
        items, weights = self._items.model_history(query.history, self._weighting)
        if not len(items):
            return ListRanking(NOTHING)
        return self._ranking(items, weights, query.filters)

    def similar(self, item: int, filters: Filters) -> Ranking:
        """Rank by row `item` of W, the item itself left out whatever its diagonal holds."""
        items = self._items.model_items(np.array([item], np.int32))
        if not len(items):
            return ListRanking(NOTHING)
        return self._ranking(items, np.ones(1, np.float32), filters.without(item))

    def warm_up(self) -> None:
        """Run one item through."""
        if len(self._items):
            self._ranking(np.zeros(1, np.int32), np.ones(1, np.float32), Filters()).top(1)

    def _ranking(self, items: Ints, weights: Floats, filters: Filters) -> Ranking:
        scores = self._score(items, weights)
        local = self._items.model_filters(filters)
        kernels.mask_scores(scores, local.excluded, local.allowed)
        return ScoreRanking(scores, self._items)
