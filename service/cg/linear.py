"""LinearItemToItemCG: scores = history @ W, for the item-item matrices of EASE and SLIM."""

import numpy as np

from service import linear_kernels
from service.array_types import Floats, Ints
from service.cg.base import Candidates, Filters, ItemMap, Query, Ranking
from service.cg.several import Queries, Several
from service.history_kernels import WEIGHTINGS
from service.linear_kernels import Weights
from service.top_kernels import top_k

_ONE: Ints = np.ones(1, np.int32)


class LinearItemToItemCG:
    """Sums the rows of W that belong to the history; touches no other row, owns no user."""

    def __init__(self, name: str, W: Weights, items: ItemMap, weighting: str) -> None:
        self.name = name
        self._W = W
        self._items = items
        self._weighting = weighting

    def rank(self, query: Query) -> Ranking:
        """Rank all items; a history with no item of the model has nothing to say."""
        history = query.history
        return _LinearRanking(self._W, self._items, self._weighting, history.items, history.counts, query.filters)

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
        row = np.array([item], np.int32)
        return _LinearRanking(self._W, self._items, "binary", row, _ONE, filters.without(item))

    def warm_up(self) -> None:
        """Run a query through."""
        ranking = self.rank(Query())
        for k in (1, 2):
            ranking.top(k)
        self.best_of_each(Queries([Query()]), 1)


class _LinearRanking:
    """The ranking by a history's rows of W, summed when the first item is wanted.

    All in one call: what Python does for several, for one history, takes as long as to sum the rows.
    """

    def __init__(
        self, W: Weights, items: ItemMap, weighting: str, history: Ints, counts: Ints, filters: Filters
    ) -> None:
        """Take a history in the release's items, and how often it has each."""
        self._items = items
        # copies: mapped arrays would be other types to numba
        self._of_history = (W, items.to_model, WEIGHTINGS[weighting], history.copy(), counts.copy())
        self._filters = filters.excluded.copy(), filters.allowed
        self._scores: Floats | None = None
        """(n,) of all items of the model, −inf where it is not eligible; none where nothing is known; None at first."""

    def top(self, k: int) -> Candidates:
        """Select the best k."""
        if self._scores is None:
            items, scores, self._scores = linear_kernels.best_of(*self._of_history, *self._filters, k)
        else:
            items, scores = top_k(self._scores, k)
        return Candidates(self._items.release_items(items), scores)
