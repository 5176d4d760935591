"""Lets a worker take no more than it can answer in time; the rest is refused at once.

All work of a worker is done on its event loop, one request after the other. A limit inside the application cannot
see what waits in sockets. So the protocol (`protocol.py`) asks this gate when a request's headers are read, starts
few requests in a turn of the loop, and goes on reading between two of them: what has to wait is counted here, and a
refusal takes some ten microseconds and waits for one turn at most.
(A hop to a thread would let the loop read meanwhile, too, but costs every request; RELIABILITY.md has figures.)
"""

import time

FIRST_ESTIMATE = 0.001
LEAST_WAITING = 8
"""So many may always wait: at first the estimate is a guess, and a burst is not an overload."""
_WEIGHT = 0.05
_LONGEST_SAMPLE = 1.0


class Gate:
    """Estimates how long a request that comes now would wait, from how fast answers have left while others waited."""

    def __init__(self, budget_seconds: float) -> None:
        self._budget = budget_seconds
        self._between = FIRST_ESTIMATE
        self._last = 0.0
        """When the last answer left while others waited; 0: none waited."""

    def shut(self, waiting: int) -> bool:
        """Say whether one more would wait too long behind so many."""
        return waiting >= LEAST_WAITING and waiting * self._between > self._budget

    def answered(self, waiting: int) -> None:
        """Note that an answer has left, and how many wait still."""
        now = time.perf_counter()
        if self._last:
            self._between += _WEIGHT * (min(now - self._last, _LONGEST_SAMPLE) - self._between)
        self._last = now if waiting else 0.0
