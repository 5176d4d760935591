"""Which generator a thread is asking, and since when: what another one must know to give it up."""

import threading
import time

from service.cg.base import CandidateGenerator
from service.record import record


class GivenUpError(BaseException):
    """Another thread goes on instead of this one, which waited for a generator; no error, so nothing handles it."""


@record
class Asked:
    """A generator that has not come back yet."""

    cg: CandidateGenerator
    request: int | None
    """The one that it is asked for; None: several, for which nothing of it has been fetched."""
    since: float
    """Of `time.monotonic`."""


class Asking:
    """What one thread is waiting for."""

    def __init__(self) -> None:
        self.now: Asked | None = None
        self._lock = threading.Lock()
        self._given_up = False

    def begin(self, cg: CandidateGenerator, request: int | None = None) -> None:
        """Say that a generator is asked; raises GivenUpError."""
        with self._lock:
            self._check()
            self.now = Asked(cg, request, time.monotonic())

    def end(self) -> None:
        """Say that it has come back; raises GivenUpError if that was too late."""
        with self._lock:
            self._check()
            self.now = None

    def give_up(self, asked: Asked) -> bool:
        """End the thread once its generator comes back; False: it has come back meanwhile, and goes on."""
        with self._lock:
            self._given_up = self.now is asked
            return self._given_up

    def _check(self) -> None:
        if self._given_up:
            raise GivenUpError
