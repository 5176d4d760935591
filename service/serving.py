"""What a worker serves: immutable, read once by a request, replaced by one reference."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from service.errors import NotReadyError
from service.history import HistoryProvider
from service.history_live import EventStore, LiveHistory
from service.history_memory import MemoryEvents
from service.mix_log import MixLog
from service.registry import Release
from service.settings import Settings
from service.split import Split
from service.store import Store
from service.watch import Watch
from service.workers import Workers


def _redis(settings: Settings) -> EventStore:
    from service.history_redis import RedisEvents  # only where it is used: the import takes a while

    return RedisEvents(settings.redis_url.get_secret_value(), settings.history_budget_ms)


EVENT_STORES: Mapping[str, Callable[[Settings], EventStore | None]] = {
    "snapshot": lambda _: None,
    "memory": lambda _: MemoryEvents(),
    "redis": _redis,
}


LOADING = "the release is being loaded"


@dataclass(frozen=True, slots=True)
class Serving:
    """What one request reads, once: a release and where histories come from."""

    release: Release
    history: HistoryProvider
    since: float = field(default_factory=time.time)
    """Unix seconds of the swap."""
    queries: dict[Any, Any] = field(default_factory=dict)
    """What `parameters` has read of short queries, which repeat."""

    @property
    def header(self) -> bytes:
        """The value of X-Model-Release."""
        return self.release.name.encode()


@dataclass(frozen=True, slots=True)
class Served:
    """All that is served at one moment."""

    main: Serving
    others: Mapping[str, Serving]
    """The releases of a split by name."""
    split: Split

    def of(self, user: object) -> Serving:
        """Return what a user is served; the id as its text."""
        return self.others.get(self.split.release_of(str(user)), self.main) if self.others else self.main


class Holder:
    """Holds what is served, and what outlives a release."""

    def __init__(self, settings: Settings) -> None:
        self.store = Store(settings.store)
        self.split = Split(settings.split)
        self.events = EVENT_STORES[settings.history](settings)
        """Live events; None where histories are those of the release."""
        self.watch = Watch(settings.request_budget_ms)
        """What keeps mixes within their time."""
        self.mix_log = MixLog(settings.mix_log, settings.mix_log_rate)
        self.workers = Workers()
        self.api_key = settings.api_key.get_secret_value()
        self.reason = LOADING
        """Why nothing is served yet."""
        self._served: Served | None = None
        self._releases: dict[str, Release] = {}
        self._blocked: Sequence[str] = ()
        self._since = 0.0
        self._lock = threading.Lock()

    @property
    def served(self) -> Served:
        """What is served now: for requests of several users.

        Raises:
            NotReadyError: nothing yet.
        """
        if self._served is None:
            raise NotReadyError(self.reason)
        return self._served

    @property
    def serving(self) -> Serving:
        """What is served now to a request without a user; raises NotReadyError."""
        return self.served.main

    def serving_for(self, user: object) -> Serving:
        """Return what is served to a user, the id as its text; raises NotReadyError."""
        return self.served.of(user)

    @property
    def release_name(self) -> str | None:
        """The name of the served release, None if there is none."""
        return self._served.main.release.name if self._served else None

    @property
    def loaded(self) -> Mapping[str, Release]:
        """The releases that are served, by name."""
        return self._releases

    def serve(self, releases: Mapping[str, Release], main: str) -> None:
        """Serve other releases from now on; requests that have begun keep what they have read."""
        with self._lock:
            self._releases = dict(releases)
            self._since = time.time()
            self._compose(main)
        self.workers.report(main, [name for name in self.split.names if name in releases])

    def block(self, items: Sequence[str]) -> None:
        """Return these items no more, whatever the release."""
        with self._lock:
            self._blocked = items
            if self._served:
                self._compose(self._served.main.release.name)

    def _compose(self, main: str) -> None:
        made = {name: self._serving(release) for name, release in self._releases.items()}
        others = {name: made[name] for name in self.split.names if name in made}
        self._served = Served(made[main], others, self.split)

    def _serving(self, release: Release) -> Serving:
        if self._blocked:
            release = release.without(self._blocked)
        if self.events is None:
            return Serving(release, release.history, self._since)
        return Serving(release, LiveHistory(release.history, release.items, self.events), self._since)
