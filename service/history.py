"""What a user did: the value, and where it comes from (the release, live events, or the request)."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from service.array_types import Ints, Longs
from service.ids import Id, IdIndex
from service.record import record


@record
class History:
    """Distinct items of one user, ascending, as indices of the release's item index."""

    items: Ints
    counts: Ints
    """Number of requests (baskets) that had the item."""
    last: Longs
    """Unix seconds of the last time."""
    differs: bool = False
    """It is not the one that the models were trained on: a stored embedding of the user does not apply."""

    def __len__(self) -> int:
        return len(self.items)


EMPTY = History(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.int64))
FORGOTTEN = History(EMPTY.items, EMPTY.counts, EMPTY.last, differs=True)
"""Of a user who was to be forgotten and has done nothing since: unknown, to the models too."""


@record
class Lookup:
    """What a provider found."""

    history: History | None
    """None: the provider has never heard of the user; a known one's may be empty."""
    degraded: Sequence[str] = ()
    """`history` where the provider had to do without its live events."""


class HistoryProvider(Protocol):
    """Source of histories."""

    async def get(self, user: Id) -> Lookup:
        """Return the history of a user."""
        ...

    def at_hand(self, user: Id) -> Lookup | None:
        """Return what `get` would where that needs no waiting, None where it does."""
        ...


class SnapshotHistory:
    """Histories as of the training data, mapped from the release's `data` artifact."""

    def __init__(
        self,
        users: IdIndex,
        indptr: Longs,
        items: Ints,
        counts: Ints,
        last: Longs,
    ) -> None:
        """Take rows in compressed form: row u is `indptr[u]:indptr[u + 1]` of the three arrays."""
        self.users = users
        self.indptr, self.items, self._counts, self._last = indptr, items, counts, last

    def lookup(self, user: Id) -> History | None:
        """Return the history of a user, None if the training data had no such user."""
        row = self.users.row(user)
        if row < 0:
            return None
        start, stop = int(self.indptr[row]), int(self.indptr[row + 1])
        return History(self.items[start:stop], self._counts[start:stop], self._last[start:stop])

    @property
    def newest(self) -> int | None:
        """Unix seconds of the last event of all."""
        return int(self._last.max()) if len(self._last) else None

    async def get(self, user: Id) -> Lookup:
        """Return `lookup(user)`; nothing to wait for."""
        return Lookup(self.lookup(user))

    def at_hand(self, user: Id) -> Lookup:
        """Return the same."""
        return Lookup(self.lookup(user))


def from_events(events: Sequence[Id], index: IdIndex) -> tuple[History, list[Id]]:
    """Make a history of the item ids that a request gives, oldest first; also return unknown ids.

    Repeats count. Times are not given, so the events are placed one second apart: enough to break
    ties by recency, too little for any half-life to matter.
    """
    rows = index.rows(events)
    unknown = [event for event, row in zip(events, rows.tolist(), strict=True) if row < 0]
    times = np.flatnonzero(rows >= 0)
    items, inverse, counts = np.unique(rows[times], return_inverse=True, return_counts=True)
    last: NDArray[Any] = np.zeros(len(items), np.int64)
    np.maximum.at(last, inverse, times)
    return History(items.astype(np.int32), counts.astype(np.int32), last), list(dict.fromkeys(unknown))
