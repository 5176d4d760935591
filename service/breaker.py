"""A circuit breaker: after some failures in a row a dependency is left alone until a probe finds it well again."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)

FAILURES = 3
"""So many failures in a row open it."""
PROBE_SECONDS = 0.5
"""How often it is tried whether the dependency is well again, by a task of its own: no request pays for it."""


class Breaker:
    """Closed: the dependency is asked. Open: it is not, until a probe succeeds; it starts open."""

    def __init__(self, name: str, probe: Callable[[], Awaitable[None]]) -> None:
        """Take the name for the log, and what to try: it raises while the dependency is not well."""
        self._name, self._probe = name, probe
        self._failures = 0
        self.closed = False
        self.opened = 0
        """How often it opened."""

    def succeeded(self) -> None:
        """Note that the dependency answered."""
        self._failures = 0

    def failed(self) -> None:
        """Note that it did not."""
        self._failures += 1
        if self.closed and self._failures >= FAILURES:
            self.closed = False
            self.opened += 1
            log.warning("%s: %d failures in a row; left alone until it answers again", self._name, self._failures)

    async def run(self) -> None:
        """Probe while open, for as long as the process lives."""
        said = False
        while True:
            if not self.closed:
                try:
                    await self._probe()
                except Exception as error:
                    if not said:
                        log.warning("%s does not answer: %s", self._name, error)
                    said = True
                else:
                    log.info("%s answers", self._name)
                    said, self._failures, self.closed = False, 0, True
            await asyncio.sleep(PROBE_SECONDS)
