"""What the generators over embeddings share: the vectors, and where a user's vector comes from."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from service import embedding_kernels
from service.array_types import Floats, Ints
from service.cg import scan
from service.cg.base import NOTHING, Filters, ItemMap, ListRanking, Query, Ranking, ScoreRanking
from service.cg.scan import CodedRanking, CodedVectors
from service.cg.several import Queries, Several, starts_of
from service.ids import Id, IdIndex
from service.top_kernels import NOT_ELIGIBLE

FoldIn = Callable[[Ints, Floats], Floats]
"""(history items, their weights) → the vector (dim,) of a user with that history."""


@dataclass(frozen=True, slots=True)
class Embedding:
    """Score of item i for a user: user vector · item_vectors[i] + item_biases[i]."""

    items: ItemMap
    users: IdIndex
    item_vectors: Floats
    """(n_items, dim), C-contiguous."""
    item_biases: Floats
    """(n_items,)."""
    user_vectors: Floats
    """(n_users, dim), rows of `users`; a zero vector says nothing of its user."""
    fold_in: FoldIn
    weighting: str
    """Value of an interaction in training, which the fold-in repeats."""
    coded: CodedVectors | None = None
    """The item vectors once more, in codes that make the exact ranking cheap; None: it reads the vectors."""

    def stored(self, user: Id | None) -> Floats | None:
        """Return the vector of a user the model was trained on, None for others."""
        row = self.users.row(user)
        if row < 0:
            return None
        vector: Floats = self.user_vectors[row]
        return vector if vector[0] != 0 or vector.any() else None  # the first alone is cheaper to look at

    def user_vector(self, query: Query) -> Floats | None:
        """Return the stored vector, or fold the history in if it is another than the model's, or nothing is stored.

        None: there is neither a vector nor a history with an item of the model.
        """
        vector = self.stored(query.user) if query.stored_applies else None
        return self._folded(query) if vector is None else vector

    def exact(self, vector: Floats, filters: Filters) -> Ranking:
        """Rank by the scores of all items; filters are in the release's items."""
        local = self.items.model_filters(filters)
        if self.coded is None or len(local.allowed):  # a scan of what is allowed is quick already
            return ScoreRanking(self.scores(vector, local), self.items)
        return CodedRanking(self.coded, vector, local.excluded, self.items, lambda: self.scores(vector, local))

    def best_of_each(self, queries: Queries, k: int) -> Several:
        """Return the best k by the scores of all items for several queries, by way of the codes together."""
        vectors, without = embedding_kernels.vectors_of(self.user_vectors, queries.user_rows(self.users))
        nothing = set[int]()
        for place in without.tolist():
            vector = self.user_vector(queries[place])
            if vector is None:
                nothing.add(place)
            else:
                vectors[place] = vector
        found = self._by_codes(vectors, queries, k) or Several.none(len(queries), k)
        for place, size in enumerate(found.sizes.tolist()):
            if size < k and place not in nothing:
                found.put(place, self.exact(vectors[place], queries[place].filters).top(k))
        return found

    def _by_codes(self, vectors: Floats, queries: Queries, k: int) -> Several | None:
        """Return fewer than k where the codes cannot tell; None: nowhere."""
        if self.coded is None:
            return None
        excluded, starts = queries.excluded
        if len(excluded):
            parts = [self.items.model_items(query.filters.excluded) for query in queries]
            excluded, starts = np.concatenate(parts), starts_of(parts)
        return scan.best_of_each(self.coded, vectors, excluded, starts, self.items, k)

    def scores(self, vector: Floats, local: Filters) -> Floats:
        """Return the score of every item, −inf where it is not eligible; filters in the model's items."""
        scores: Floats = embedding_kernels.score_items(self.item_vectors, self.item_biases, vector, local.allowed)
        scores[local.excluded] = NOT_ELIGIBLE
        return scores

    def similar(self, item: int, filters: Filters) -> Ranking:
        """Rank by the cosine between item vectors, the item itself left out.

        The cosine, as is usual for item-to-item: a dot product puts the items with the longest vectors
        beside everything. Measured for ALS on Complete Journey: the dot product's first twenty were had
        by 30 % of all users on average, the cosine's by 7 %; and held 8.8 % against 5.5 % of the rest of
        a basket, of which the most popular items alone are 6.3 %.
        """
        own = self.items.model_items(np.array([item], np.int32))
        if not len(own):
            return ListRanking(NOTHING)
        local = self.items.model_filters(filters.without(item))
        scores: Floats = embedding_kernels.cosine_items(self.item_vectors, own[0], local.allowed)
        scores[local.excluded] = NOT_ELIGIBLE
        return ScoreRanking(scores, self.items)

    def warm_up(self) -> None:
        """Run the kernels and the fold-in on the first item."""
        if not len(self.items):
            return
        vector = self.fold_in(np.zeros(1, np.int32), np.ones(1, np.float32))
        for stored in (vector, *self.user_vectors[:1]):  # in memory and mapped: two types to numba
            self.scores(stored, Filters())
            self.exact(stored, Filters()).top(1)
        self.best_of_each(Queries([Query()]), 1)
        embedding_kernels.cosine_items(self.item_vectors, np.int32(0), Filters().allowed)

    def _folded(self, query: Query) -> Floats | None:
        items, weights = self.items.model_history(query.history, self.weighting)
        if not len(items):
            return None
        try:
            vector = np.ascontiguousarray(self.fold_in(items, weights), np.float32)
        except np.linalg.LinAlgError:  # a model without regularisation: no single vector explains the history
            return None
        return vector if np.isfinite(vector).all() and vector.any() else None
