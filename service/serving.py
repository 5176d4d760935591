"""The release that this worker serves, and how it gets one while requests already arrive."""

import asyncio
import fcntl
import gc
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from service import compact_kernels, json_kernels, kernels, mix_kernels, registry
from service.errors import NotReadyError, StoreError
from service.generate import Request, generate
from service.history import HistoryProvider
from service.mix import MixRequest, mix
from service.registry import Release
from service.settings import Settings
from service.store import Store
from service.watch import Watch

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
"""How often CURRENT is looked at while there is nothing to serve."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""How long until a release that could not be loaded is tried again, at first and at most."""

HISTORY_PROVIDERS: Mapping[str, Callable[[Release], HistoryProvider]] = {
    "snapshot": lambda release: release.history,
}


@dataclass(frozen=True, slots=True)
class Serving:
    """What one request reads, once: a release and where histories come from."""

    release: Release
    history: HistoryProvider
    queries: dict[Any, Any] = field(default_factory=dict)
    """What `parameters` has read of short queries, which repeat."""

    @property
    def header(self) -> bytes:
        """The value of X-Model-Release."""
        return self.release.name.encode()


class Holder:
    """Holds what is served; a swap replaces one reference."""

    def __init__(self, settings: Settings) -> None:
        self.store = Store(settings.store)
        self._provider = HISTORY_PROVIDERS[settings.history]
        self._serving: Serving | None = None
        self.watch = Watch(settings.request_budget_ms)
        """What keeps mixes within their time."""
        self.reason = "the release is being loaded"
        """Why nothing is served yet."""

    @property
    def serving(self) -> Serving:
        """What is served now.

        Raises:
            NotReadyError: nothing yet.
        """
        if self._serving is None:
            raise NotReadyError(self.reason)
        return self._serving

    @property
    def release_name(self) -> str | None:
        """The name of the served release, None if there is none."""
        return self._serving.release.name if self._serving else None

    async def load_until_ready(self) -> None:
        """Load the newest good release off the event loop; wait for one as long as it takes."""
        pause = FIRST_PAUSE
        while self._serving is None:
            seen = await asyncio.to_thread(self.try_load)
            if self._serving is None:
                await self._wait_for_change(seen, pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    def try_load(self) -> str | None:
        """Try once; return what CURRENT said before."""
        seen = None
        try:
            seen = self.store.current()
            if seen is None:
                self._refuse(f"{self.store.root}: holds no release yet; publish one to be served")
            else:
                self._serving = self._load()
        except StoreError as error:
            self._refuse(str(error))
        except Exception as error:
            log.exception("the release could not be loaded")
            self._refuse(f"the release could not be loaded ({type(error).__name__}); see the log")
        return seen

    def _load(self) -> Serving:
        start = time.perf_counter()
        compile_kernels()
        release = registry.load_newest_good(self.store)
        rehearse(release)
        # what was loaded lives as long as the process: keep the collector from walking it
        gc.collect()
        gc.freeze()
        log.info("serving release %s, loaded in %.1f s", release.name, time.perf_counter() - start)
        return Serving(release, self._provider(release))

    def _refuse(self, reason: str) -> None:
        if reason != self.reason:
            log.warning("not ready: %s", reason)
        self.reason = reason

    async def _wait_for_change(self, seen: str | None, longest: float) -> None:
        """Wait for another CURRENT. A damaged release is read again only now and then."""
        end = time.monotonic() + longest
        while time.monotonic() < end:
            await asyncio.sleep(min(POLL_SECONDS, longest))
            try:
                if self.store.current() != seen:
                    return
            except StoreError:
                continue


def compile_kernels() -> None:
    """Compile the kernels, or load them from numba's cache, one process at a time.

    Workers that write the cache at the same moment can crash one another (numba #4807); the lock
    is on a source file because that always exists and need not be writable.
    """
    with Path(kernels.__file__).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        kernels.warm_up()
        compact_kernels.warm_up()
        mix_kernels.warm_up()
        json_kernels.warm_up()


def rehearse(release: Release) -> None:
    """Answer one request with each generator, and a blended one, before a caller's: page in, compile, find faults."""
    if not len(release.users):
        return
    user = release.users.ids_of(np.zeros(1, np.int32))[0]
    for name in release.cgs:
        generate(release, Request(user, cg=name), release.history.lookup(user))
    mix(release, MixRequest(user), release.history.lookup(user))
