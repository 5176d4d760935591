"""The lists that merges pull on: the rankings of several generators for several requests, as far as they are fetched.

A generator does nothing before its first item is wanted. One that fails has ended there; one that takes too long is
given up by whoever watches (`service.watch`), and what it had given stays. Lists of several requests are fetched
generator by generator: what one reads of its model, and its code, is in the processor's caches for all requests but the
first.
"""

import logging
from collections.abc import Sequence
from typing import cast

import numpy as np

from service.array_types import Floats, Ints
from service.attempt import attempt
from service.cg.asking import Asked, Asking
from service.cg.base import CandidateGenerator, Candidates, Cursor
from service.cg.each import ranks_together
from service.cg.several import Queries, RanksTogether, Several
from service.record import record

log = logging.getLogger(__name__)

BATCH = 10
Scores = list[tuple[int, Floats]]
"""Of a list: where a piece begins, and its scores."""


@record
class Source:
    """A generator that had an item."""

    cg: int
    rank: int
    score: float


class Lists:
    """Fetched items and scores of the same generators for several requests, in arrays that the kernels read."""

    def __init__(self, cgs: Sequence[CandidateGenerator], queries: Queries, capacity: int) -> None:
        """Take generators that have not been asked yet; nobody will want more than `capacity` of one.

        A merge that gives n items wants at most n of a list: it passes an item over only if that was given before.
        """
        shape = len(queries), len(cgs)
        self.cgs, self.queries, self.capacity = cgs, queries, capacity
        self.items: Ints = np.empty((*shape, capacity + BATCH), np.int32)
        """(n_requests, n_cgs, capacity + BATCH)."""
        self.lengths: Ints = np.zeros(shape, np.int32)
        self.ended = np.zeros(shape, np.bool_)
        self.dropped: list[list[str]] = [[] for _ in queries]
        """Of each request the names of generators that failed or were given up."""
        self.asking = Asking()
        """Where it is said which generator is being asked."""
        self._cursors: dict[tuple[int, int], Cursor] = {}
        """Of lists that are fetched bit by bit."""
        self._scores: dict[tuple[int, int], Scores] = {}
        self._together: list[tuple[int, Sequence[int], Several]] = []
        """(list, requests, what was fetched for them at once)."""

    def __len__(self) -> int:
        """Return the number of requests."""
        return len(self.queries)

    def begun(self, request: int, row: int) -> bool:
        """Whether something of a list was fetched, or there is nothing to be fetched."""
        return bool(self.lengths[request, row] or self.ended[request, row])

    def fetch(self, depths: Sequence[Sequence[int]]) -> None:
        """Fetch what has not been asked for yet; depths: of each request how deep each list is wanted, 0: not."""
        for row, cg in enumerate(self.cgs):
            waiting = [place for place, wanted in enumerate(depths) if wanted[row] and not self.begun(place, row)]
            if ranks_together(cg):
                whole = [place for place in waiting if not len(self.queries[place].filters.allowed)]
                if len(whole) > 1 and self._fetch_at_once(row, whole, max(depths[place][row] for place in whole)):
                    waiting = [place for place in waiting if place not in whole]
            for place in waiting:
                self.pull(place, row, depths[place][row])

    def _fetch_at_once(self, row: int, waiting: Sequence[int], depth: int) -> bool:
        """Fetch the lists of a generator for several requests with one question; False: it failed."""
        cg, k, is_all = self.cgs[row], self._batches(depth), len(waiting) == len(self)
        queries = self.queries if is_all else Queries(self.queries[place] for place in waiting)
        self.asking.begin(cg)
        found = attempt(cast("RanksTogether", cg).best_of_each, queries, k)
        self.asking.end()
        if isinstance(found, Exception):
            log.warning(
                "generator %s failed for %d requests together; asked for each", cg.name, len(waiting), exc_info=found
            )
            return False
        which = slice(None) if is_all else waiting
        self.items[which, row, :k] = found.items
        self.lengths[which, row] = found.sizes
        self.ended[which, row] = (found.sizes < k) | (found.sizes >= self.capacity)
        self._together.append((row, waiting, found))
        return True

    def _batches(self, depth: int) -> int:
        """Return how many are asked for at first where so many are expected to be wanted."""
        return min(-(-max(depth, 1) // BATCH) * BATCH, self.capacity + BATCH)

    def pull(self, request: int, row: int, expected: int = BATCH) -> None:
        """Fetch the next batch of a list, or at first as many batches as will be wanted in all."""
        k = BATCH if self.lengths[request, row] else self._batches(expected)
        self.asking.begin(self.cgs[row], request)
        piece = attempt(self._next, request, row, k)
        self.asking.end()
        if isinstance(piece, Exception):
            log.error("generator %s failed; the mix goes on without it", self.cgs[row].name, exc_info=piece)
            self.drop(request, row)
        else:
            self._put(request, row, piece, k)

    def _put(self, request: int, row: int, piece: Candidates, k: int) -> None:
        """Take what a generator gave that was asked for k more."""
        start = int(self.lengths[request, row])
        stop = start + len(piece)
        self.items[request, row, start:stop] = piece.items
        self._scores.setdefault((request, row), []).append((start, piece.scores))
        self.lengths[request, row] = stop
        self.ended[request, row] = len(piece) < k or stop >= self.capacity

    def _next(self, request: int, row: int, k: int) -> Candidates:
        cursor = self._cursors.get((request, row))
        if cursor is None:
            ranking, start = self.cgs[row].rank(self.queries[request]), int(self.lengths[request, row])
            if k >= self.capacity:  # it is not asked again: what it holds goes back at once, for the next one to use
                return ranking.top(k)
            cursor = self._cursors[request, row] = Cursor(ranking, k, start)
        return cursor.next(k)

    def drop(self, request: int, row: int) -> None:
        """Expect nothing more of a generator."""
        self.ended[request, row] = True
        self.dropped[request].append(self.cgs[row].name)

    def drop_everywhere(self, cg: CandidateGenerator, waiting: int | None = None) -> None:
        """Expect nothing of a generator where it has not been asked yet, nor for the request that is waiting for it."""
        for row, own in enumerate(self.cgs):
            for request in range(len(self)) if own is cg else ():
                if request == waiting or not self.begun(request, row):
                    self.drop(request, row)

    def scores(self, request: int) -> Floats:
        """Return the scores of what was fetched, as `items[request]` is laid out; few mixes want them."""
        scores = np.zeros(self.items.shape[1:], np.float32)
        for row, waiting, found in self._together:
            if request in waiting:
                own = found.scores[list(waiting).index(request)]
                scores[row, : len(own)] = own
        for (place, row), pieces in self._scores.items():
            for start, piece in pieces if place == request else ():
                scores[row, start : start + len(piece)] = piece
        return scores

    def sources(self, request: int, items: Ints) -> list[list[Source]]:
        """Return for every item all generators that had it among what was fetched, in their order."""
        of_item: dict[int, list[Source]] = {item: [] for item in items.tolist()}
        scores = self.scores(request)
        for row, length in enumerate(self.lengths[request].tolist()):
            for position, item in enumerate(self.items[request, row, :length].tolist()):
                if item in of_item:
                    of_item[item].append(Source(row, position + 1, scores[row, position]))
        return list(of_item.values())

    def give_up(self, asked: Asked) -> "Lists | None":
        """Return what to go on with, without the generator that is still being asked; None if it is not.

        The thread that waits for it can change nothing there.
        """
        if not self.asking.give_up(asked):
            return None
        rest = Lists(self.cgs, self.queries, self.capacity)
        rest.items, rest._cursors, rest._together = self.items.copy(), {**self._cursors}, [*self._together]
        rest._scores = {key: [*pieces] for key, pieces in self._scores.items()}
        rest.lengths, rest.ended = self.lengths.copy(), self.ended.copy()
        rest.dropped = [[*names] for names in self.dropped]
        rest.drop_everywhere(asked.cg, asked.request)
        return rest
