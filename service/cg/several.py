"""Several queries at once: what a generator may be asked that answers them with less work than one after the other."""

import functools
from collections.abc import Sequence, Sized
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from service.array_types import Floats, Ints, Longs
from service.cg.base import Candidates, Query
from service.history import History
from service.ids import IdIndex
from service.record import record


class Histories(NamedTuple):
    """Several histories, one after the other: history q is the part starts[q] : starts[q + 1] of the arrays."""

    items: Ints
    counts: Ints
    last: Longs
    starts: Ints

    @classmethod
    def of(cls, histories: Sequence[History]) -> "Histories":
        """Join."""
        return cls(
            np.concatenate([history.items for history in histories]),
            np.concatenate([history.counts for history in histories]),
            np.concatenate([history.last for history in histories]),
            starts_of(histories),
        )


class Queries(list[Query]):
    """Several queries, and what kernels take of them, made once for all generators; not to be changed."""

    @functools.cached_property
    def histories(self) -> Histories:
        """Return the histories, one after the other."""
        return Histories.of([query.history for query in self])

    @functools.cached_property
    def excluded(self) -> tuple[Ints, Ints]:
        """Return the excluded items, one query's after the other's, and where those of each begin."""
        parts = [query.filters.excluded for query in self]
        return np.concatenate(parts), starts_of(parts)

    def user_rows(self, users: IdIndex) -> Ints:
        """Return the row of each query's user, −1 where it is unknown or what is stored of it does not apply."""
        rows = self._user_rows.get(id(users.ids))
        if rows is None:
            rows = users.rows(query.user if query.stored_applies else None for query in self)
            self._user_rows[id(users.ids)] = rows  # most models have the same users
        return rows

    @functools.cached_property
    def _user_rows(self) -> dict[int, Ints]:
        return {}

    @functools.cached_property
    def unfiltered(self) -> bool:
        """Whether every item may be returned in all of them."""
        return not any(len(query.filters.excluded) or len(query.filters.allowed) for query in self)


def starts_of(parts: Sequence[Sized]) -> Ints:
    """Return where each of several arrays begins among all, one after the other, and the end of all."""
    starts, end = [0], 0
    for part in parts:
        end += len(part)
        starts.append(end)
    return np.array(starts, np.int32)


@record
class Several:
    """Candidates of several queries, a row for each."""

    items: Ints
    """(b, k)."""
    scores: Floats
    """(b, k)."""
    sizes: Ints
    """(b,) how many of a row there are."""

    @classmethod
    def none(cls, n: int, k: int) -> "Several":
        """Return room for k of each of n queries."""
        return cls(np.zeros((n, k), np.int32), np.zeros((n, k), np.float32), np.zeros(n, np.int32))

    def put(self, row: int, own: Candidates) -> None:
        """Set those of one query."""
        self.sizes[row] = len(own)
        self.items[row, : len(own)], self.scores[row, : len(own)] = own.items, own.scores

    def each(self) -> list[Candidates]:
        """Return those of every query."""
        rows = zip(self.items, self.scores, self.sizes.tolist(), strict=True)
        return [Candidates(items[:size], scores[:size]) for items, scores, size in rows]


@runtime_checkable
class RanksTogether(Protocol):
    """A generator that answers several queries with less work than one after the other."""

    def best_of_each(self, queries: Queries, k: int) -> Several:
        """Return for each query what `rank(query).top(k)` would; if one fails, none is answered.

        All items are allowed in all of them.
        """
        ...


@runtime_checkable
class ExpectsLength(Protocol):
    """A generator that can tell cheaply, before it ranks, how long its lists will be."""

    def expected_lengths(self, queries: Queries) -> Sequence[int]:
        """Return for each query the number of eligible items, or more than anybody asks for."""
        ...
