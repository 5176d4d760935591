"""A gentle end: on SIGTERM a worker says that it is not ready, serves on for a while, and only then stops.

A balancer needs that while to send its requests elsewhere; a server that stops at once resets those on their way.
"""

import asyncio
import logging
import signal
import threading
from types import FrameType

import uvicorn

from service.errors import NotReadyError

log = logging.getLogger(__name__)


class Drain:
    """Whether this worker is about to stop."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.begun = False

    def check(self) -> None:
        """Raise NotReadyError if the worker is about to stop."""
        if self.begun:
            raise NotReadyError("shutting down: send requests elsewhere")

    def install(self) -> None:
        """Go before the handler of SIGTERM that uvicorn has set; nothing if there is none (in tests)."""
        if threading.current_thread() is not threading.main_thread():
            return
        stop = signal.getsignal(signal.SIGTERM)
        if not callable(stop) or not isinstance(getattr(stop, "__self__", None), uvicorn.Server):
            return
        loop = asyncio.get_running_loop()

        def on_signal(number: int, frame: FrameType | None) -> None:
            if self.begun:  # asked twice: at once
                stop(number, frame)
                return
            self.begun = True
            loop.call_soon_threadsafe(loop.call_later, self._seconds, stop, number, frame)
            log.info("draining for %.1f s", self._seconds)

        signal.signal(signal.SIGTERM, on_signal)
