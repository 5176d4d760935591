"""Histories and filters of several queries, one after the other: what a kernel takes that answers all of them."""

from collections.abc import Sequence, Sized
from typing import NamedTuple

import numpy as np

from service.array_types import Floats, Ints, Longs
from service.cg.base import Candidates, Query


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
            _starts(histories),
            np.concatenate(excluded),
            _starts(excluded),
        )


def _starts(parts: Sequence[Sized]) -> Ints:
    starts, end = [0], 0
    for part in parts:
        end += len(part)
        starts.append(end)
    return np.array(starts, np.int32)


def candidates_of_each(items: Ints, scores: Floats, sizes: Ints) -> list[Candidates]:
    """Return a row each of items (b, k) of the release and their scores (b, k), as long as sizes (b,) say."""
    return [
        Candidates(own[:size], their[:size])
        for own, their, size in zip(items, scores, sizes.tolist(), strict=True)
    ]
