"""The lists that a merge pulls on: each generator's ranking as far as it has been fetched.

A generator does nothing before its first item is wanted. One that fails has ended there; one that takes
too long is given up by whoever watches (`service.watch`), and what it had given stays.
"""

import logging
import threading
import time
from collections.abc import Sequence

import numpy as np

from service.array_types import Floats, Ints
from service.cg.base import CandidateGenerator, Cursor, Query
from service.record import record

log = logging.getLogger(__name__)

BATCH = 10


class GivenUpError(Exception):
    """The merge was taken over by another thread while this one waited for a generator."""


@record
class Source:
    """A generator that had an item."""

    cg: int
    rank: int
    score: float


class Lists:
    """Fetched items and scores of several generators, in arrays that the kernels read."""

    def __init__(self, cgs: Sequence[CandidateGenerator], query: Query, capacity: int) -> None:
        """Take generators that have not been asked yet; nobody will want more than `capacity` of one."""
        n = len(cgs)
        self.cgs, self.query = cgs, query
        self.items: Ints = np.empty((n, capacity + BATCH), np.int32)
        self.scores: Floats = np.empty((n, capacity + BATCH), np.float32)
        self.lengths: Ints = np.zeros(n, np.int32)
        self.ended = np.zeros(n, np.bool_)
        self.dropped: list[str] = []
        """Names of generators that failed or were given up."""
        self._cursors: list[Cursor | None] = [None] * n
        self._lock = threading.Lock()
        self._running: tuple[int, float] | None = None
        self._given_up = False

    def __len__(self) -> int:
        return len(self.cgs)

    def begun(self, row: int) -> bool:
        """Whether a generator was asked before, or need not be asked."""
        return self._cursors[row] is not None or bool(self.ended[row])

    def pull(self, row: int, expected: int = BATCH) -> None:
        """Fetch the next batch of a generator, or at first as many batches as will be wanted in all."""
        start = int(self.lengths[row])
        k = BATCH if start else min(-(-max(expected, 1) // BATCH) * BATCH, self.items.shape[1])
        with self._lock:
            self._check()
            self._running = row, time.monotonic()
        try:
            cursor = self._cursors[row]
            if cursor is None:
                cursor = self._cursors[row] = Cursor(self.cgs[row].rank(self.query), k)
            piece = cursor.next(k)
        except Exception:
            log.exception("generator %s failed; the mix goes on without it", self.cgs[row].name)
            piece = None
        with self._lock:
            self._check()
            self._running = None
        if piece is None:
            self.drop(row)
        else:
            stop = start + len(piece)
            self.items[row, start:stop], self.scores[row, start:stop] = piece.items, piece.scores
            self.lengths[row] = stop
            self.ended[row] = len(piece) < k

    def drop(self, row: int) -> None:
        """Expect nothing more of a generator."""
        self.ended[row] = True
        self.dropped.append(self.cgs[row].name)

    def sources(self, items: Ints) -> list[list[Source]]:
        """Return for every item all generators that had it among what was fetched, in their order."""
        of_item: dict[int, list[Source]] = {item: [] for item in items.tolist()}
        for row, length in enumerate(self.lengths.tolist()):
            for position, item in enumerate(self.items[row, :length].tolist()):
                if item in of_item:
                    of_item[item].append(Source(row, position + 1, self.scores[row, position]))
        return list(of_item.values())

    def running(self) -> tuple[int, float] | None:
        """Return the generator that is being asked, and since when."""
        return self._running

    def give_up(self, running: tuple[int, float]) -> "Lists | None":
        """Return lists to go on with, without the generator that is still running; None if it is not.

        The thread that waits for it can change nothing any more: it ends as soon as it is back.
        """
        with self._lock:
            if self._running is not running:
                return None
            self._given_up = True
        rest = Lists(self.cgs, self.query, self.items.shape[1] - BATCH)
        rest.items, rest.scores, rest._cursors = self.items.copy(), self.scores.copy(), self._cursors
        rest.lengths, rest.ended, rest.dropped = self.lengths.copy(), self.ended.copy(), [*self.dropped]
        rest.drop(running[0])
        return rest

    def _check(self) -> None:
        if self._given_up:
            raise GivenUpError
