"""ANN: the best items by user · item + bias, found in a graph instead of by looking at all of them."""

import numpy as np
from numpy.typing import NDArray

from service import ann_kernels, embedding_kernels
from service.array_types import Floats
from service.cg.base import NOTHING, Candidates, Filters, ListRanking, Query, Ranking
from service.cg.embedding import Embedding
from service.hnsw import HnswGraph
from service.ids import Id
from service.top_kernels import top_k

MAX_DEPTH_SHARE = 1 / 50
"""Searching the graph for a larger share of all items takes longer than to look at all of them."""
MIN_ALLOWED_SHARE = 1 / 8
"""Looking only at what is allowed is faster than a search that throws the rest away."""

SPARE, FIRST = 16, 128
"""The first search asks for so many more than are wanted, and for so many at least."""


class ANN:
    """As `DotProductKNN`, but for what the graph misses; the scores are the exact ones."""

    def __init__(self, name: str, embedding: Embedding, graph: HnswGraph) -> None:
        """Take the graph of the embedding's item vectors and biases."""
        self.name = name
        self._embedding = embedding
        self._graph = graph
        self._max_depth = max(graph.ef, int(MAX_DEPTH_SHARE * len(graph)))

    def knows(self, user: Id) -> bool:
        """Whether the model has a vector of the user."""
        return self._embedding.stored(user) is not None

    def rank(self, query: Query) -> Ranking:
        """Prepare a search; without a user vector there is nothing to say."""
        vector = self._embedding.user_vector(query)
        if vector is None:
            return ListRanking(NOTHING)
        allowed = query.filters.allowed
        if len(allowed) and np.count_nonzero(allowed) < MIN_ALLOWED_SHARE * len(allowed):
            return self._embedding.exact(vector, query.filters)
        return GraphRanking(self._embedding, self._graph, vector, query.filters, self._max_depth)

    def similar(self, item: int, filters: Filters) -> Ranking:
        """Rank by the cosine between item vectors: exact, since the graph is not made for cosines."""
        return self._embedding.similar(item, filters)

    def warm_up(self) -> None:
        """Run the first item through the graph, and through the exact scan."""
        self._embedding.warm_up()
        for vector in self._embedding.item_vectors[:1]:
            for stored in (vector, vector.copy()):  # mapped and in memory: two types to numba
                for depth in (len(self._graph), 0):
                    GraphRanking(self._embedding, self._graph, stored, Filters(), depth).top(1)


class GraphRanking:
    """Keeps what was found; searches deeper, and in the end everywhere, as more is wanted.

    An item that only a deeper search finds, but that ranks above what was handed out before, stays
    missed: so the list is sorted, without duplicates, and never changes its beginning.
    """

    def __init__(
        self, embedding: Embedding, graph: HnswGraph, vector: Floats, filters: Filters, max_depth: int
    ) -> None:
        """Take a user vector, filters in the release's items, and how deep to search at most."""
        self._embedding, self._graph, self._vector = embedding, graph, vector
        self._max_depth = max_depth
        self._filters = embedding.items.model_filters(filters)
        self._found = NOTHING  # in the model's items
        self._given = 0  # so many of them were handed out
        self._depth = 0
        self._rest: Floats | None = None  # scores of what the exact scan may still hand out

    def top(self, k: int) -> Candidates:
        """Return the best k, searching as deep as it takes."""
        while len(self._found) < k and self._rest is None:
            self._depth = self._next_depth(k)
            if self._depth > self._max_depth or not (labels := self._graph.search(self._vector, self._depth)).size:
                self._rest = self._embedding.scores(self._vector, self._filters)
            elif self._depth < self._graph.ef:
                self._found = self._settled(labels, k)
            else:
                self._replace(labels)
        if len(self._found) < k and self._rest is not None:
            self._take_rest(self._rest, k)
        found = self._found if len(self._found) <= k else self._found[:k]
        self._given = max(self._given, len(found))
        if self._embedding.items.to_release is None:
            return found
        return Candidates(self._embedding.items.release_items(found.items), found.scores)

    def _next_depth(self, k: int) -> int:
        """At first only a part of the search list where that will do: to fetch and to rescore costs too."""
        ef = self._graph.ef
        if self._depth >= ef:
            return max(k, 2 * self._depth)
        if self._depth or len(self._filters.allowed):
            return max(k, ef)
        return min(max(k, ef), max(FIRST, k + SPARE + len(self._filters.excluded)))

    def _settled(self, labels: NDArray[np.uint64], k: int) -> Candidates:
        """Return the best k if the rest of the search list cannot rank among them, nothing otherwise.

        So a shorter answer is the beginning of a longer one, also to another request.
        """
        embedding, filters = self._embedding, self._filters
        return Candidates(
            *ann_kernels.rank_settled(
                labels,
                embedding.item_vectors,
                embedding.item_biases,
                self._vector,
                filters.excluded,
                filters.allowed,
                k,
                self._graph.rounding,
            )
        )

    def _replace(self, labels: NDArray[np.uint64]) -> None:
        """Replace what was not handed out by what a deeper search found."""
        kept = NOTHING
        if len(self._found):
            kept, open_ = self._found[: self._given], self._found.items[self._given :]
            lost = open_[~np.isin(open_, labels)]
            labels = np.concatenate([labels, lost.astype(np.uint64)])
        new = embedding_kernels.rank_found(
            labels,
            self._embedding.item_vectors,
            self._embedding.item_biases,
            self._vector,
            self._filters.excluded,
            self._filters.allowed,
            _last(kept),
        )
        self._found = _join(kept, Candidates(*new))

    def _take_rest(self, rest: Floats, k: int) -> None:
        kept = self._found[: self._given]
        embedding_kernels.mask_before(rest, _last(kept))
        self._found = _join(kept, Candidates(*top_k(rest, k - len(kept))))


def _last(candidates: Candidates) -> tuple[float, int]:
    """Return score and item after which the list goes on."""
    if not len(candidates):
        return ann_kernels.BEFORE_ALL
    return float(candidates.scores[-1]), int(candidates.items[-1])


def _join(first: Candidates, second: Candidates) -> Candidates:
    if not len(first):
        return second
    return Candidates(np.concatenate([first.items, second.items]), np.concatenate([first.scores, second.scores]))
