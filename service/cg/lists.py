"""The lists that a merge pulls on: each generator's ranking as far as it has been fetched.

A generator does nothing before its first item is wanted. One that fails has ended there; one that takes
too long is given up by whoever watches (`service.watch`), and what it had given stays.
"""

import logging
from collections.abc import Sequence

import numpy as np

from service.array_types import Floats, Ints
from service.attempt import attempt
from service.cg.asking import Asking
from service.cg.base import CandidateGenerator, Candidates, Cursor, Query
from service.record import record

log = logging.getLogger(__name__)

BATCH = 10


@record
class Source:
    """A generator that had an item."""

    cg: int
    rank: int
    score: float


class Lists:
    """Fetched items and scores of several generators, in arrays that the kernels read."""

    def __init__(self, cgs: Sequence[CandidateGenerator], query: Query, capacity: int) -> None:
        """Take generators that have not been asked yet; nobody will want more than `capacity` of one.

        A merge that gives n items wants at most n of a list: it passes an item over only if that was given before.
        """
        n = len(cgs)
        self.cgs, self.query, self.capacity = cgs, query, capacity
        self.items: Ints = np.empty((n, capacity + BATCH), np.int32)
        self.lengths: Ints = np.zeros(n, np.int32)
        self.ended = np.zeros(n, np.bool_)
        self.dropped: list[str] = []
        """Names of generators that failed or were given up."""
        self.asking = Asking()
        """Where it is said which generator is being asked; lists that one thread fetches may share it."""
        self._cursors: list[Cursor | None] = [None] * n
        """Of lists that are fetched bit by bit."""
        self._pieces: list[list[Candidates]] = [[] for _ in cgs]

    def __len__(self) -> int:
        return len(self.cgs)

    def begun(self, row: int) -> bool:
        """Whether something of a list was fetched, or there is nothing to be fetched."""
        return bool(self.lengths[row] or self.ended[row])

    def pull(self, row: int, expected: int = BATCH) -> None:
        """Fetch the next batch of a generator, or at first as many batches as will be wanted in all."""
        start = int(self.lengths[row])
        k = BATCH if start else min(-(-max(expected, 1) // BATCH) * BATCH, self.items.shape[1])
        self.asking.begin(self.cgs[row], self)
        piece = attempt(self._next, row, k)
        self.asking.end()
        self.put(row, piece, k)

    def put(self, row: int, piece: Candidates | Exception, k: int) -> None:
        """Take what a generator gave that was asked for k more, or how it failed."""
        if isinstance(piece, Exception):
            log.error("generator %s failed; the mix goes on without it", self.cgs[row].name, exc_info=piece)
            self.drop(row)
            return
        start = int(self.lengths[row])
        stop = start + len(piece)
        self.items[row, start:stop] = piece.items
        self._pieces[row].append(piece)
        self.lengths[row] = stop
        self.ended[row] = len(piece) < k or stop >= self.capacity

    def _next(self, row: int, k: int) -> Candidates:
        cursor = self._cursors[row]
        if cursor is None:
            ranking = self.cgs[row].rank(self.query)
            if k >= self.capacity:  # it is not asked again: what it holds goes back at once, for the next one to use
                return ranking.top(k)
            cursor = self._cursors[row] = Cursor(ranking, k)
        return cursor.next(k)

    def drop(self, row: int) -> None:
        """Expect nothing more of a generator."""
        self.ended[row] = True
        self.dropped.append(self.cgs[row].name)

    def scores(self) -> Floats:
        """Return the scores of what was fetched, as `items` are laid out; few mixes want them."""
        scores = np.zeros(self.items.shape, np.float32)
        for row, pieces in enumerate(self._pieces):
            if pieces:
                scores[row, : self.lengths[row]] = np.concatenate([piece.scores for piece in pieces])
        return scores

    def sources(self, items: Ints) -> list[list[Source]]:
        """Return for every item all generators that had it among what was fetched, in their order."""
        of_item: dict[int, list[Source]] = {item: [] for item in items.tolist()}
        scores = self.scores()
        for row, length in enumerate(self.lengths.tolist()):
            for position, item in enumerate(self.items[row, :length].tolist()):
                if item in of_item:
                    of_item[item].append(Source(row, position + 1, scores[row, position]))
        return list(of_item.values())

    def copy(self) -> "Lists":
        """Return lists to go on with while another thread still waits for a generator: it can change nothing here."""
        other = Lists(self.cgs, self.query, self.capacity)
        other.items, other._cursors = self.items.copy(), [*self._cursors]
        other._pieces = [[*pieces] for pieces in self._pieces]
        other.lengths, other.ended, other.dropped = self.lengths.copy(), self.ended.copy(), [*self.dropped]
        return other
