"""DotProductKNN: the exact ranking of all items by user · item + bias, and the oracle for ANN."""

from service.cg.base import NOTHING, Filters, ListRanking, Query, Ranking
from service.cg.embedding import Embedding
from service.cg.several import Queries, Several
from service.ids import Id


class DotProductKNN:
    """Scores every item of the model, one pass over the item vectors."""

    def __init__(self, name: str, embedding: Embedding) -> None:
        self.name = name
        self._embedding = embedding

    def knows(self, user: Id) -> bool:
        """Whether the model has a vector of the user."""
        return self._embedding.stored(user) is not None

    def rank(self, query: Query) -> Ranking:
        """Scan all items; without a user vector there is nothing to say."""
        vector = self._embedding.user_vector(query)
        return ListRanking(NOTHING) if vector is None else self._embedding.exact(vector, query.filters)

    def best_of_each(self, queries: Queries, k: int) -> Several:
        """Scan for several queries."""
        return self._embedding.best_of_each(queries, k)

    def similar(self, item: int, filters: Filters) -> Ranking:
        """Rank by the cosine between item vectors."""
        return self._embedding.similar(item, filters)

    def warm_up(self) -> None:
        """Run one item through."""
        self._embedding.warm_up()
