"""Fills a short list up to n from the popular items; the one place where that happens."""

import numpy as np

from service.array_types import Ints
from service.cg.base import Candidates, Filters
from service.cg.popular import Popular
from service.kernels import first_eligible
from service.record import record


@record
class Filled:
    """Candidates of a generator, then fill without a score."""

    own: Candidates
    fill: Ints

    def __len__(self) -> int:
        return len(self.own) + len(self.fill)

    @property
    def items(self) -> Ints:
        """All items, best first."""
        return np.concatenate([self.own.items, self.fill]) if len(self.fill) else self.own.items


def fill_up(own: Candidates, n: int, filters: Filters, popular: Popular) -> Filled:
    """Add the most popular eligible items that are not in `own` until there are n, or no more."""
    missing = n - len(own)
    if missing <= 0:
        return Filled(own, own.items[:0])
    taken = np.union1d(filters.excluded, own.items).astype(np.int32)
    return Filled(own, first_eligible(popular.order, taken, filters.allowed, missing))
