"""Popular and PersonalTop: what everybody has, and what this user keeps coming back to."""

import numpy as np

from service import kernels
from service.cg.base import (
    NOTHING,
    Candidates,
    Filters,
    Floats,
    Ints,
    ItemMap,
    ListRanking,
    Query,
    Ranking,
    history_weights,
)

_SECONDS_PER_DAY = 86_400.0


class PopularRanking:
    """The eligible part of a fixed order of items."""

    def __init__(self, order: Ints, scores: Floats, filters: Filters) -> None:
        """Take items of the release, most popular first, and the score of every item."""
        self._order, self._scores, self._filters = order, scores, filters

    def top(self, k: int) -> Candidates:
        """Walk down the order until k eligible items are found."""
        found = kernels.first_eligible(self._order, self._filters.excluded, self._filters.allowed, k)
        return Candidates(found, self._scores[found])


class Popular:
    """The same ranking for everybody."""

    def __init__(self, name: str, order: Ints, scores: Floats) -> None:
        """Take items of the release, best first, and scores (n_release,) of every item."""
        self.name = name
        self.order, self._scores = order, scores

    def rank(self, query: Query) -> Ranking:
        """Apply the query's filters."""
        return PopularRanking(self.order, self._scores, query.filters)

    def expected_length(self, query: Query) -> int:
        """Return the number of popular items; of the filters only what is excluded can shorten the list."""
        return max(0, len(self.order) - len(query.filters.excluded))

    def warm_up(self) -> None:
        """Walk once."""
        self.rank(Query()).top(1)


class PersonalTop:
    """The items of the user's own history by how often they recur, with an optional half-life.

    score = weight(count) · 2^(−age / half_life), age = time since the item's last event, relative
    to the user's last event of all; equal scores: the more recent item first, then the lower id.
    """

    def __init__(self, name: str, items: ItemMap, weighting: str, half_life_days: float | None) -> None:
        self.name = name
        self._items = items
        self._weighting = weighting
        self._half_life = None if half_life_days is None else half_life_days * _SECONDS_PER_DAY

    def expected_length(self, query: Query) -> int:
        """Return the number of eligible items of the history."""
        if query.filters.excluded is query.history.items:  # exclude_seen, the usual case
            return 0
        return int(np.count_nonzero(self._own(query)))

    def rank(self, query: Query) -> Ranking:
        """Rank the history itself."""
        history = query.history
        if not len(history):
            return ListRanking(NOTHING)
        eligible = self._own(query)
        items, last = history.items[eligible], history.last[eligible]
        scores = history_weights(history.counts[eligible], self._weighting)
        if self._half_life is not None:
            age = (history.last.max() - last).astype(np.float64)
            scores = (scores * np.exp2(-age / self._half_life)).astype(np.float32)
        order = np.lexsort((items, -last, -scores))
        return ListRanking(Candidates(items[order], scores[order]))

    def warm_up(self) -> None:
        """Nothing is compiled here."""

    def _own(self, query: Query) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
        """Return which items of the history the list is made of."""
        _, known = self._items.model_items(query.history.items)
        eligible = _eligible(query.history.items, query.filters)
        eligible &= True if isinstance(known, slice) else known
        return eligible


def _eligible(items: Ints, filters: Filters) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Return which of the ascending items pass."""
    excluded = filters.excluded
    passed = np.ones(len(items), np.bool_)
    if len(excluded):
        place = np.minimum(excluded.searchsorted(items), len(excluded) - 1)
        passed = excluded[place] != items
    if len(filters.allowed):
        passed &= filters.allowed[items]
    return passed
