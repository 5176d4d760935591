"""Histories and filters of several queries, one after the other: what a kernel takes that answers all of them."""

from collections.abc import Sequence, Sized
from typing import NamedTuple

import numpy as np

from service.array_types import Ints, Longs
from service.cg.base import Query


class Joined(NamedTuple):
    """Of query q in all arrays the part starts[q] : starts[q + 1]; items are those of the release."""

    items: Ints
    counts: Ints
    last: Longs
    starts: Ints
    excluded: Ints
    excluded_starts: Ints

    @classmethod
    def of(cls, queries: Sequence[Query]) -> "Joined":
        """Join."""
        histories, excluded = [query.history for query in queries], [query.filters.excluded for query in queries]
        return cls(
            np.concatenate([history.items for history in histories]),
            np.concatenate([history.counts for history in histories]),
            np.concatenate([history.last for history in histories]),
            starts_of(histories),
            np.concatenate(excluded),
            starts_of(excluded),
        )


def starts_of(parts: Sequence[Sized]) -> Ints:
    """Return where each of several arrays begins among all, one after the other, and the end of all."""
    starts, end = [0], 0
    for part in parts:
        end += len(part)
        starts.append(end)
    return np.array(starts, np.int32)
