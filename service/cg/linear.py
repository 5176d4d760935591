"""LinearItemToItemCG: scores = history @ W, for the item-item matrices of EASE and SLIM."""

import numpy as np

from service import kernels, linear_kernels
from service.array_types import Floats, Ints
from service.cg.base import NOTHING, Filters, ItemMap, ListRanking, Query, Ranking, ScoreRanking
from service.cg.several import Queries, Several
from service.history_kernels import WEIGHTINGS
from service.linear_kernels import Weights, score_history


class LinearItemToItemCG:
    """Sums the rows of W that belong to the history; touches no other row, owns no user."""

    def __init__(self, name: str, W: Weights, items: ItemMap, weighting: str) -> None:
        self.name = name
        self._W = W
        self._items = items
        self._weighting = weighting

    def rank(self, query: Query) -> Ranking:
        """Score all items; a history with no item of the model has nothing to say."""
        items, weights = self._items.model_history(query.history, self._weighting)
        if not len(items):
            return ListRanking(NOTHING)
        return self._ranking(items, weights, query.filters)

    def best_of_each(self, queries: Queries, k: int) -> Several:
        """Do the same for several queries, in one call."""
        histories, (excluded, excluded_starts) = queries.histories, queries.excluded
        items, scores, sizes = linear_kernels.best_of_each(
            self._W,
            self._items.to_model,
            WEIGHTINGS[self._weighting],
            histories.items,
            histories.counts,
            histories.starts,
            excluded,
            excluded_starts,
            k,
        )
        return Several(self._items.release_items(items), scores, sizes)

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
            self.best_of_each(Queries([Query()]), 1)

    def _ranking(self, items: Ints, weights: Floats, filters: Filters) -> Ranking:
        scores = score_history(self._W, items, weights)
        local = self._items.model_filters(filters)
        kernels.mask_scores(scores, local.excluded, local.allowed)
        return ScoreRanking(scores, self._items)
