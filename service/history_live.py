"""Live histories: what the release's snapshot knows of a user, and what has happened since."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from service import metrics
from service.array_types import Ints, Longs
from service.errors import HistoryUnavailableError
from service.history import EMPTY, FORGOTTEN, History, Lookup, SnapshotHistory
from service.ids import Id, IdIndex, ids_of_texts

DEGRADED = ("history",)
MAX_EVENTS = 1000
"""So many events of a user are kept; the oldest go first."""


@dataclass(frozen=True, slots=True)
class Event:
    """An interaction of a user."""

    item: Id
    timestamp: int
    """Unix seconds."""
    event_id: str
    """An event is kept once."""


@dataclass(frozen=True, slots=True)
class LiveEvents:
    """What a store of live events has of one user."""

    events: Sequence[tuple[str, int]] = ()
    """(item id as text, unix seconds)."""
    forgotten: bool = False
    """Nothing from before these events may be used."""


NO_EVENTS = LiveEvents()


class EventStore(Protocol):
    """Keeps live events; shared by all releases that a worker serves."""

    async def read(self, user: Id) -> LiveEvents:
        """Return a user's events; raises HistoryUnavailableError when there is no answer in time."""
        ...

    def is_forgotten(self, user: Id) -> bool:
        """Tell, without asking anybody, whether the user is known to have been forgotten."""
        ...

    async def append(self, user: Id, events: Sequence[Event]) -> int:
        """Add what is new by event_id; return how many were."""
        ...

    async def forget(self, user: Id) -> None:
        """Drop a user's events, and the snapshot's history of the user for good."""
        ...

    async def run(self) -> None:
        """Look after itself until cancelled."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class LiveHistory:
    """The provider of one release: its snapshot and the live events, merged."""

    def __init__(self, snapshot: SnapshotHistory, items: IdIndex, store: EventStore) -> None:
        self._snapshot, self._items, self._store = snapshot, items, store

    async def get(self, user: Id) -> Lookup:
        """Return the merged history; the snapshot's alone, marked as degraded, if there are no live events to be had.

        A forgotten user's snapshot stays out of it even then.
        """
        try:
            live = await self._store.read(user)
        except HistoryUnavailableError:
            metrics.count("history_lookups", ("live", "degraded"))
            known = FORGOTTEN if self._store.is_forgotten(user) else self._snapshot.lookup(user)
            return Lookup(known, DEGRADED)
        metrics.count("history_lookups", ("live", "events" if live.events else "none"))
        return Lookup(self._merged(user, live))

    def at_hand(self, _: Id) -> None:
        """A store has to be asked."""

    def _merged(self, user: Id, live: LiveEvents) -> History | None:
        stored = None if live.forgotten else self._snapshot.lookup(user)
        if not live.events:
            return FORGOTTEN if live.forgotten else stored
        rows = rows_of_texts([item for item, _ in live.events], self._items)
        times = np.array([time for _, time in live.events], np.int64)
        return merge(stored or EMPTY, rows[rows >= 0], times[rows >= 0])


def merge(stored: History, items: Ints, times: Longs) -> History:
    """Add events (items, unix seconds) to a history.

    An event that is not later than the stored history's last one of the same item is in it already: the
    release was trained after it happened. So events may stay in their store when a new release comes.
    """
    if len(stored):
        place = np.minimum(stored.items.searchsorted(items), len(stored) - 1)
        new = (stored.items[place] != items) | (stored.last[place] < times)
        items, times = items[new], times[new]
    if not len(items) and len(stored):
        return stored
    all_items = np.concatenate([stored.items, items])
    distinct, inverse = np.unique(all_items, return_inverse=True)
    counts = np.zeros(len(distinct), np.int32)
    np.add.at(counts, inverse, np.concatenate([stored.counts, np.ones(len(items), np.int32)]))
    last = np.full(len(distinct), np.iinfo(np.int64).min)
    np.maximum.at(last, inverse, np.concatenate([stored.last, times]))
    return History(distinct.astype(np.int32), counts, last, differs=True)


def rows_of_texts(texts: Sequence[str], index: IdIndex) -> Ints:
    """Return the row of each id, −1 where the release does not have it."""
    if index.type != "string":
        try:
            return index.rows_of(np.array([int(text) for text in texts], index.ids.dtype))
        except (OverflowError, ValueError):  # an id that the column's type cannot hold
            pass
    return np.array(
        [index.row(key[0]) if (key := ids_of_texts([text], index.type)) else -1 for text in texts], np.int32
    )
