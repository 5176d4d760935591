"""Keeps a mix within its time: a generator that takes too long is given up, and the mix goes on without it.

Numeric code cannot be interrupted, so a mix runs in a helper thread while its caller waits with a limit. A
generator may take half of the time that is left when it is asked: so one slow generator leaves half of it
for the others, and all of them together stay within it. One that has not come back yet is not asked again,
so a generator that hangs costs one thread, not one for every request. Mixes that are made together share the time.
"""

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from service.cg.asking import GivenUpError
from service.cg.lists import Lists

T = TypeVar("T")
_LEAST_WAIT = 0.001


class _Job(Generic[T]):
    """One run of some work, and what came of it."""

    def __init__(self, work: Callable[[Lists], T], lists: Lists) -> None:
        self.work, self.lists = work, lists
        self.done = threading.Lock()
        """Free when it is done: a bare lock, since an Event costs several times as much."""
        self.done.acquire()
        self.result: T | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.result = self.work(self.lists)
        except BaseException as error:
            self.error = error


class Watch:
    """Runs mixes within a budget; one for a process, used by all its threads."""

    def __init__(self, budget_ms: float) -> None:
        self._budget = budget_ms / 1000
        self._idle: list[SimpleQueue[_Job[Any]]] = []
        self._stuck: set[int] = set()
        """id() of generators that were given up and are still at it."""

    def end(self) -> float:
        """Return when work that begins now has to be done, of `time.monotonic`."""
        return time.monotonic() + self._budget

    def run(self, lists: Lists, work: Callable[[Lists], T], end: float) -> T:
        """Return what `work` makes of the lists, or of what is left of them when generators are given up."""
        for cg in lists.cgs if self._stuck else ():
            if id(cg) in self._stuck:
                lists.drop_everywhere(cg)
        while True:
            job = _Job(work, lists)
            self._start(job)
            rest = self._wait(job, end)
            if rest is None:
                if job.error is not None:
                    raise job.error
                return job.result  # type: ignore[return-value]
            lists = rest

    def _wait(self, job: _Job[Any], end: float) -> Lists | None:
        """Wait until the job is done (None), or return what to go on with instead."""
        wait = (end - time.monotonic()) / 2
        while not job.done.acquire(timeout=max(wait, _LEAST_WAIT)):
            asked = job.lists.asking.now
            now = time.monotonic()
            started = now if asked is None else asked.since
            wait = (started + end) / 2 - now
            if asked is not None and wait <= 0:
                self._stuck.add(id(asked.cg))  # before it can be back
                rest = job.lists.give_up(asked)
                if rest is not None:
                    return rest
                self._stuck.discard(id(asked.cg))
        return None

    def _start(self, job: _Job[Any]) -> None:
        try:
            queue = self._idle.pop()
        except IndexError:
            queue = SimpleQueue()
            # a daemon: a generator that never comes back must not keep the process from ending
            threading.Thread(target=self._help, args=(queue,), name="mix", daemon=True).start()
        queue.put(job)

    def _help(self, queue: "SimpleQueue[_Job[Any]]") -> None:
        """Run one job after the other."""
        while True:
            job = queue.get()
            job.run()
            if isinstance(job.error, GivenUpError):
                asked = job.lists.asking.now
                if asked is not None:
                    self._stuck.discard(id(asked.cg))
            self._idle.append(queue)
            job.done.release()
            del job
