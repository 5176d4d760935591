"""Live events in the memory of the one worker: for trials and tests; gone with the process."""

import asyncio
from collections.abc import Sequence

from service.history_live import MAX_EVENTS, NO_EVENTS, Event, LiveEvents
from service.ids import Id


class MemoryEvents:
    """A dictionary of users."""

    def __init__(self) -> None:
        self._events: dict[str, dict[str, tuple[str, int]]] = {}
        self._forgotten: set[str] = set()

    async def read(self, user: Id) -> LiveEvents:
        """Return a user's events."""
        kept = self._events.get(str(user))
        if kept is None and not self._forgotten:
            return NO_EVENTS
        return LiveEvents(list((kept or {}).values()), str(user) in self._forgotten)

    def is_forgotten(self, user: Id) -> bool:
        """Tell whether the user was forgotten."""
        return str(user) in self._forgotten

    async def append(self, user: Id, events: Sequence[Event]) -> int:
        """Add what is new by event_id, and keep the latest."""
        kept = self._events.setdefault(str(user), {})
        new = {event.event_id: (str(event.item), event.timestamp) for event in reversed(events)}
        added = [key for key in new if key not in kept]
        kept.update((key, new[key]) for key in reversed(added))
        for key in (
            sorted(kept, key=lambda key: kept[key][1])[: len(kept) - MAX_EVENTS] if len(kept) > MAX_EVENTS else ()
        ):
            del kept[key]
        return len(added)

    async def forget(self, user: Id) -> None:
        """Drop a user's events and remember to leave out the snapshot."""
        self._events.pop(str(user), None)
        self._forgotten.add(str(user))

    async def run(self) -> None:
        """Nothing to look after."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Nothing to let go of."""
