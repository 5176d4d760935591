"""Popular and PersonalTop: what everybody has, and what this user keeps coming back to."""

from collections.abc import Sequence

import numpy as np

from service import kernels, personal_kernels
from service.array_types import Doubles, Floats, Ints
from service.cg.base import Candidates, Filters, ItemMap, Query, Ranking
from service.cg.several import Queries, Several
from service.history_kernels import WEIGHTINGS

_SECONDS_PER_DAY = 86_400.0


class PopularRanking:
    """The eligible part of a fixed order of items."""

    def __init__(self, order: Ints, scores: Floats, filters: Filters) -> None:
        """Take items of the release, most popular first, and the score of every item."""
        self._order, self._scores, self._filters = order, scores, filters

    def top(self, k: int) -> Candidates:
        """Walk down the order until k eligible items are found."""
        excluded, allowed = self._filters.excluded, self._filters.allowed
        is_whole = not (len(excluded) or len(allowed))
        found = self._order[:k] if is_whole else kernels.first_eligible(self._order, excluded, allowed, k)
        return Candidates(found, self._scores.take(found))


class Popular:
    """The same ranking for everybody."""

    def __init__(self, name: str, order: Ints, scores: Floats) -> None:
        """Take items of the release, best first, and scores (n_release,) of every item."""
        self.name = name
        self.order, self._scores = order, scores

    def rank(self, query: Query) -> Ranking:
        """Apply the query's filters."""
        return PopularRanking(self.order, self._scores, query.filters)

    def best_of_each(self, queries: Queries, k: int) -> Several:
        """Return the same list for all, unless there are filters."""
        found = Several.none(len(queries), k)
        if queries.unfiltered:
            same = self.rank(queries[0]).top(k)
            found.items[:, : len(same)], found.scores[:, : len(same)] = same.items, same.scores
            found.sizes[:] = len(same)
        else:
            for row, query in enumerate(queries):
                found.put(row, self.rank(query).top(k))
        return found

    def expected_lengths(self, queries: Queries) -> list[int]:
        """Return the number of popular items; of the filters only what is excluded can shorten the list."""
        return [max(0, len(self.order) - len(query.filters.excluded)) for query in queries]

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
        self._to_model = items.to_model
        self._weighting = WEIGHTINGS[weighting]
        self._half_life = np.inf if half_life_days is None else half_life_days * _SECONDS_PER_DAY

    def expected_lengths(self, queries: Queries) -> Sequence[int]:
        """Return the number of eligible items of each history."""
        if queries.unfiltered:
            histories = queries.histories
            known: list[int] = personal_kernels.count_known(histories.items, histories.starts, self._to_model).tolist()
            return known
        return [self._expected_length(query) for query in queries]

    def _expected_length(self, query: Query) -> int:
        filters = query.filters
        if filters.excluded is query.history.items:  # exclude_seen, the usual case
            return 0
        return int(
            personal_kernels.count_eligible(query.history.items, self._to_model, filters.excluded, filters.allowed)
        )

    def rank(self, query: Query) -> Ranking:
        """Rank the history itself."""
        return PersonalRanking(query, self._to_model, self._weighting, self._half_life)

    def best_of_each(self, queries: Queries, k: int) -> Several:
        """Do the same for several queries, in one call."""
        own = queries.histories
        # NumPy's exp2 uses vector instructions: several times as fast as what is compiled here
        decay = np.exp2(personal_kernels.half_lives(own.last, own.starts, self._half_life))
        found = personal_kernels.best_own_of_each(*own, decay, self._weighting, self._to_model, *queries.excluded, k)
        return Several(*found)

    def warm_up(self) -> None:
        """Compile."""
        personal_kernels.warm_up()


class PersonalRanking:
    """The eligible part of a user's own history."""

    def __init__(self, query: Query, to_model: Ints, weighting: int, half_life: float) -> None:
        self._history, self._filters = query.history, query.filters
        self._to_model, self._weighting = to_model, weighting
        ends = np.array([0, len(query.history)], np.int32)
        self._decay: Doubles = np.exp2(personal_kernels.half_lives(query.history.last, ends, half_life))

    def top(self, k: int) -> Candidates:
        """Select the best k."""
        history, filters = self._history, self._filters
        own, eligible = (history.items, history.counts, history.last), (filters.excluded, filters.allowed)
        return Candidates(*personal_kernels.best_own(*own, self._decay, self._weighting, self._to_model, *eligible, k))
