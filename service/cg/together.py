"""Lists of several requests that are fetched generator by generator.

What a generator reads of its model, and its code, is in the processor's caches for all requests but the first: asked
in turn for each request, every generator finds them filled by the others.
"""

from collections.abc import Sequence

from service.cg.asking import Asked, Asking
from service.cg.base import CandidateGenerator
from service.cg.each import best_of_each, ranks_together
from service.cg.lists import Lists


class Together:
    """Lists that one thread fetches and merges."""

    def __init__(self, lists: Sequence[Lists]) -> None:
        self.lists = lists
        self.asking = Asking()
        for one in lists:
            one.asking = self.asking

    def fetch(self, depths: Sequence[Sequence[int]]) -> None:
        """Fetch what has not been asked for yet; depths: for each list how deep each generator is wanted, 0: not."""
        waiting: dict[tuple[int, int], list[tuple[Lists, int]]] = {}
        for lists, wanted in zip(self.lists, depths, strict=True):
            for row, depth in enumerate(wanted):
                if depth and not lists.begun(row):
                    waiting.setdefault((id(lists.cgs[row]), depth), []).append((lists, row))
        for (_, depth), of_one in waiting.items():
            lists, row = of_one[0]
            cg = lists.cgs[row]
            if len(of_one) > 1 and ranks_together(cg) and all(depth >= lists.capacity for lists, _ in of_one):
                self._fetch_at_once(cg, depth, of_one)
            else:
                for lists, row in of_one:
                    lists.pull(row, depth)

    def _fetch_at_once(self, cg: CandidateGenerator, depth: int, of_one: Sequence[tuple[Lists, int]]) -> None:
        """Fetch lists of a generator with one question: so deep that it need not be asked again."""
        self.asking.begin(cg)
        found = best_of_each(cg, [lists.query for lists, _ in of_one], depth)
        self.asking.end()
        for (lists, row), piece in zip(of_one, found, strict=True):
            lists.put(row, piece, depth)

    def drop(self, cg: CandidateGenerator, waiting: Lists | None = None) -> None:
        """Expect nothing of a generator where it has not been asked yet, nor in the list that is waiting for it."""
        for lists in self.lists:
            for row, own in enumerate(lists.cgs):
                if own is cg and (lists is waiting or not lists.begun(row)):
                    lists.drop(row)

    def give_up(self, asked: Asked) -> "Together | None":
        """Return what to go on with, without the generator that is still being asked; None if it is not."""
        if not self.asking.give_up(asked):
            return None
        copies = {id(lists): lists.copy() for lists in self.lists}
        rest = Together(list(copies.values()))
        rest.drop(asked.cg, copies.get(id(asked.by)))
        return rest
