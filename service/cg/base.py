"""What every candidate generator takes and gives.

A generator is asked with a `Query` and returns a `Ranking`: its own eligible items, best first,
from which any prefix can be read. `Cursor` hands a ranking out piece by piece.
"""

from dataclasses import field
from typing import Protocol, runtime_checkable

import numpy as np

from service import history_kernels
from service.array_types import Bools, Floats, Ints
from service.history import EMPTY, History
from service.history_kernels import WEIGHTINGS
from service.ids import Id
from service.record import record
from service.top_kernels import top_k

NO_ITEMS: Ints = np.empty(0, np.int32)
ALL_ALLOWED: Bools = np.empty(0, np.bool_)


@record
class Filters:
    """Which items may be returned, in the release's item index."""

    excluded: Ints = field(default_factory=lambda: NO_ITEMS)
    """Ascending and distinct; never returned."""
    allowed: Bools = field(default_factory=lambda: ALL_ALLOWED)
    """(n_items,): only these may be returned; an empty array allows all."""

    def without(self, item: int) -> "Filters":
        """Return the same filters with one more item excluded."""
        return Filters(np.union1d(self.excluded, [item]).astype(np.int32), self.allowed)


NO_FILTERS = Filters()


@record
class Query:
    """What a generator may look at."""

    user: Id | None = None
    history: History = EMPTY
    history_given: bool = False
    """The request brought the history: a stored embedding of the user does not apply."""
    filters: Filters = NO_FILTERS

    @property
    def stored_applies(self) -> bool:
        """Whether what a model has stored of the user may be used."""
        return not (self.history_given or self.history.differs)


@record
class Candidates:
    """Items of the release's index, best first, without duplicates, and their scores."""

    items: Ints
    scores: Floats

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, part: slice) -> "Candidates":
        return Candidates(self.items[part], self.scores[part])


NOTHING = Candidates(NO_ITEMS, np.empty(0, np.float32))


class Ranking(Protocol):
    """One generator's answer to one query."""

    def top(self, k: int) -> Candidates:
        """Return the best k eligible items, fewer where the list ends.

        `top(k)` is a prefix of `top(k + 1)`; equal scores are ordered deterministically.
        """
        ...


class CandidateGenerator(Protocol):
    """A model that can be asked. Instances are immutable and may be asked from several threads."""

    @property
    def name(self) -> str:
        """The value of `cg=`."""
        ...

    def rank(self, query: Query) -> Ranking:
        """Do the work of a query that is independent of how many items are wanted."""
        ...

    def warm_up(self) -> None:
        """Do once what would slow the first request down."""
        ...


@runtime_checkable
class KnowsUsers(Protocol):
    """A generator that holds something of each user it was trained on: an embedding."""

    def knows(self, user: Id) -> bool:
        """Whether the model itself, apart from any history, knows the user."""
        ...


@runtime_checkable
class SimilarItems(Protocol):
    """A generator that can also rank items by what goes with one item."""

    def similar(self, item: int, filters: Filters) -> Ranking:
        """Rank the items that go with `item` (an index of the release), itself left out."""
        ...


class ItemMap:
    """The way between a model's items and the release's; both sorted by id, so order is kept.

    Most models know every item, or the same items, as the release: then nothing is copied.
    """

    def __init__(self, to_release: Ints | None, n_release: int) -> None:
        """Take the release's index of each item of the model, ascending; None if they are the same."""
        self.to_release = to_release
        self.n_release = n_release
        self.to_model = NO_ITEMS
        """(n_release,) the model's item of each, −1 where it has none; empty if they are the same."""
        if to_release is not None:
            self.to_model = np.full(n_release, -1, np.int32)
            self.to_model[to_release] = np.arange(len(to_release), dtype=np.int32)

    def __len__(self) -> int:
        return self.n_release if self.to_release is None else len(self.to_release)

    def release_items(self, items: Ints) -> Ints:
        """Translate the model's items."""
        return items if self.to_release is None else self.to_release.take(items)

    def model_items(self, items: Ints) -> Ints:
        """Translate the release's items; those that the model does not know are left out."""
        if self.to_release is None or not len(items):
            return items
        found = self.to_model[items]
        return found[found >= 0]

    def model_history(self, history: History, weighting: str) -> tuple[Ints, Floats]:
        """Return the items of a history that the model knows, translated, and the value of each."""
        of_model: tuple[Ints, Floats] = history_kernels.known(
            history.items, history.counts, self.to_model, WEIGHTINGS[weighting]
        )
        return of_model

    def model_rows(self) -> Ints:
        """Return the model's item of each release item, −1 where it has none."""
        return np.arange(self.n_release, dtype=np.int32) if self.to_release is None else self.to_model

    def model_filters(self, filters: Filters) -> Filters:
        """Translate filters."""
        allowed = filters.allowed
        if self.to_release is None or not (len(filters.excluded) or len(allowed)):
            return filters
        return Filters(
            self.model_items(filters.excluded),
            allowed[self.to_release] if len(allowed) else allowed,
        )


class ScoreRanking:
    """The ranking by one vector of scores over all items of a model."""

    def __init__(self, scores: Floats, items: ItemMap) -> None:
        """Take ownership of scores (n,): 0 = nothing to say, −inf = not eligible."""
        self._scores = scores
        self._items = items

    def top(self, k: int) -> Candidates:
        """Select the best k."""
        items, scores = top_k(self._scores, k)
        return Candidates(self._items.release_items(items), scores)


class ListRanking:
    """A ranking that is already a list."""

    def __init__(self, candidates: Candidates) -> None:
        self._candidates = candidates

    def top(self, k: int) -> Candidates:
        """Cut the list."""
        return self._candidates[:k]


class Cursor:
    """Hands out a ranking piece by piece, without selecting again for every piece."""

    def __init__(self, ranking: Ranking, expected: int = 32, taken: int = 0) -> None:
        """Take a ranking, how many of it will probably be wanted, which are selected at first, and begin after some."""
        self._ranking = ranking
        self._expected = expected
        self._buffer = NOTHING
        self._asked = 0
        self._taken = taken

    def next(self, k: int) -> Candidates:
        """Return the next k candidates, fewer where the list ends."""
        wanted = self._taken + k
        if wanted > self._asked:
            self._asked = max(wanted, 2 * self._asked, self._expected)
            self._buffer = self._ranking.top(self._asked)
        whole = not self._taken and len(self._buffer) <= wanted
        piece = self._buffer if whole else self._buffer[self._taken : wanted]
        self._taken += len(piece)
        return piece


def history_weights(counts: Ints, weighting: str) -> Floats:
    """Return the value of each interaction, as the model was trained with it."""
    weights: Floats = history_kernels.weigh(counts, WEIGHTINGS[weighting])
    return weights
