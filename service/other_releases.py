"""Other releases of the store, loaded beside the served one to be compared with it."""

import asyncio

from service import registry
from service.errors import InvalidRequestError
from service.registry import Release
from service.store import Store

IDLE_SECONDS = 600.0


class OtherReleases:
    """Holds one other release at most; it is let go when nobody has asked for it for a while.

    Its arrays are mapped like those of the served one; what it costs is its checks at loading (seconds, in a
    thread), page cache, and the graphs of its embeddings.
    """

    def __init__(self, store: Store, idle_seconds: float = IDLE_SECONDS) -> None:
        self._store = store
        self._idle_seconds = idle_seconds
        self._lock = asyncio.Lock()
        self.held: Release | None = None
        self._expiry: asyncio.TimerHandle | None = None

    async def get(self, name: str) -> Release:
        """Return a release by name.

        Raises:
            InvalidRequestError: the store has none of that name.
            StoreError: it must not be served.
        """
        async with self._lock:
            if self.held is None or self.held.name != name:
                if name not in await asyncio.to_thread(self._store.releases):
                    raise InvalidRequestError("release", f"no release {name[:60]!r} in the store; /releases lists them")
                self.held = None  # never two of them
                self.held = await asyncio.to_thread(registry.load, self._store, name)
            self._renew()
            return self.held

    def _renew(self) -> None:
        if self._expiry:
            self._expiry.cancel()
        self._expiry = asyncio.get_running_loop().call_later(self._idle_seconds, self._let_go)

    def _let_go(self) -> None:
        self.held = None
