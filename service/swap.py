"""Hot swap: looks at the store, loads what is new beside what is served, and swaps it in if it is good.

All of it happens off the event loop. A release that is refused is not read again until CURRENT names another
one, somebody asks for a reload, or a pause has passed that doubles every time.
"""

import asyncio
import contextlib
import gc
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass

from service import registry
from service.errors import StoreError
from service.registry import Release
from service.rehearsal import compile_kernels, rehearse
from service.serving import Holder

log = logging.getLogger(__name__)

POLL_SECONDS = 0.4
"""How often the store is looked at."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""How long until a refused release is tried again while there is nothing else to serve."""
LONG_FIRST_PAUSE, LONG_LONGEST_PAUSE = 30.0, 600.0
"""And while there is."""


@dataclass(slots=True)
class Refusal:
    """A release that could not be served."""

    pause: float
    until: float


class Swapper:
    """Keeps a holder up to date with its store."""

    def __init__(self, holder: Holder) -> None:
        self._holder = holder
        self._refusals: dict[str, Refusal] = {}
        self._token = holder.workers.reload_asked()
        self._said = holder.reason
        self._blocked: list[str] = []
        self._compiled = False
        self._wake = asyncio.Event()
        self.swaps = 0
        """Releases that were loaded and served."""
        self.refused = 0
        """Attempts to load a release that was not fit to be served."""
        self.load_seconds = 0.0
        """What the last load took."""

    async def run(self) -> None:
        """Watch the store for as long as the process lives."""
        await asyncio.to_thread(self.look_for_blocked)
        await asyncio.gather(self._watch_releases(), self._watch_blocked())

    def wake(self) -> None:
        """Look now; on the event loop's thread."""
        self._wake.set()

    async def _watch_releases(self) -> None:
        while True:
            self._wake.clear()
            await asyncio.to_thread(self.look)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), POLL_SECONDS)

    async def _watch_blocked(self) -> None:
        """Apart, because a release may take long to load."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            await asyncio.to_thread(self.look_for_blocked)

    def look_for_blocked(self) -> None:
        """Serve what BLOCKED lets pass; a file that cannot be read changes nothing."""
        try:
            items = self._holder.store.blocked()
        except StoreError as error:
            self._say(str(error))
            return
        if items != self._blocked:
            log.info("%d items are blocked", len(items))
            self._blocked = items
            self._holder.block(items)

    def look(self) -> None:
        """Load what CURRENT and the split name and is not served yet."""
        token = self._holder.workers.reload_asked()
        if token != self._token:
            self._token = token
            self._refusals.clear()
        try:
            current = self._holder.store.current()
        except StoreError as error:
            self._not_ready(str(error))
            return
        if current is None:
            self._not_ready(f"{self._holder.store.root}: holds no release yet; publish one to be served")
            return
        releases = dict(self._holder.loaded)
        for name in dict.fromkeys([current, *self._holder.split.names]):
            self._add(releases, name)
        main = current if current in releases else self._holder.release_name or self._older(releases, current)
        kept = {name: release for name, release in releases.items() if name in (main, *self._holder.split.names)}
        if main and (kept.keys() != self._holder.loaded.keys() or main != self._holder.release_name):
            self._holder.serve(kept, main)
            log.info("serving release %s", ", ".join([main, *(name for name in kept if name != main)]))

    def _older(self, releases: dict[str, Release], current: str) -> str | None:
        """Load the nearest ancestor that is good: better than nothing, which is what is served otherwise."""
        for name in registry.newest_first(self._holder.store, current):
            self._add(releases, name)
            if name in releases:
                return name
        return None

    def _add(self, releases: dict[str, Release], name: str) -> None:
        """Load a release if it is not there and not to be left alone for now."""
        refusal = self._refusals.get(name)
        if name in releases or (refusal and time.monotonic() < refusal.until):
            return
        try:
            with self._turn():
                releases[name] = self._load(name)
            self._refusals.pop(name, None)
            self.swaps += 1
        except StoreError as error:
            self._refuse(name, str(error))
        except Exception as error:
            log.exception("release %s could not be loaded", name)
            self._refuse(name, f"release {name} could not be loaded ({type(error).__name__}); see the log")

    def _load(self, name: str) -> Release:
        start = time.perf_counter()
        if not self._compiled:
            compile_kernels()
            self._compiled = True
        release = registry.load(self._holder.store, name)
        rehearse(release)
        # what was loaded is not garbage: keep the collector from walking it. Whatever was frozen before is
        # not walked here either, and a release that is not served any more goes by its reference count
        gc.collect()
        gc.freeze()
        self.load_seconds = time.perf_counter() - start
        log.info("loaded release %s in %.1f s", name, self.load_seconds)
        return release

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """While requests arrive, one worker at a time loads: the others have the processor."""
        if self._holder.release_name is None:
            yield
        else:
            with self._holder.workers.turn():
                yield

    def _refuse(self, name: str, reason: str) -> None:
        self.refused += 1
        first, longest = (
            (LONG_FIRST_PAUSE, LONG_LONGEST_PAUSE) if self._holder.release_name else (FIRST_PAUSE, LONGEST_PAUSE)
        )
        last = self._refusals.get(name)
        pause = min(2 * last.pause, longest) if last else first
        self._refusals[name] = Refusal(pause, time.monotonic() + pause)
        log.error("release %s is refused: %s", name, reason)
        self._not_ready(reason)

    def _not_ready(self, reason: str) -> None:
        if self._holder.release_name is None:
            self._holder.reason = reason
        self._say(reason)

    def _say(self, reason: str) -> None:
        if reason != self._said:
            log.warning("%s", reason)
        self._said = reason
