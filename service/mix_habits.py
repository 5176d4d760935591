"""What each user made of each generator's candidates in the past: what MixiGen knows of a user beyond the history.

For every user, generator and stretch of positions: by how much a place was worth more to this user than to all
users, in what the ranker liked and in what was bought, shrunk to 0 where little was seen. So a user who
is not known has zeros, which is what an average one has.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from service.array_types import Floats
from service.artifact import Artifact
from service.cg.arrays import array
from service.cg.base import Query
from service.cg.several import Queries
from service.ids import IdIndex

HABIT_FEATURES: tuple[str, ...] = (
    "liked_at_the_top",
    "bought_at_the_top",
    "liked_below",
    "bought_below",
    "liked_deep_down",
    "bought_deep_down",
)
BORDERS = (0, 10, 30)
"""First positions (from 0) of the three stretches."""


class Habits(NamedTuple):
    """Habits of users at some time."""

    users: IdIndex
    values: Floats
    """(2, n_users, n_cgs · len(HABIT_FEATURES)), with seen items allowed and excluded; generator by generator."""

    @classmethod
    def from_artifact(cls, artifact: Artifact) -> "Habits":
        """Read them from a MixiGen's artifact."""
        return cls(IdIndex(array(artifact, "user_ids")), array(artifact, "habits"))

    def of(self, query: Query, exclude_seen: bool) -> Floats:
        """Return (n_cgs, len(HABIT_FEATURES)) of the user of a query; zeros where nothing applies."""
        own: Floats = self.of_each(Queries([query]), [exclude_seen])[0]
        return own

    def of_each(self, queries: Queries, exclude_seen: Sequence[bool]) -> Floats:
        """Return (b, n_cgs, len(HABIT_FEATURES)) of several."""
        rows = queries.user_rows(self.users)
        known, which = rows >= 0, np.array(exclude_seen, np.intp)
        found = np.zeros((len(rows), self.values.shape[2]), np.float32)
        found[known] = self.values[which[known], rows[known]]
        return found.reshape(len(rows), -1, len(HABIT_FEATURES))

    def check(self, n_cgs: int) -> None:
        """Compare the shapes.

        Raises:
            ValueError: they are those of other users or generators.
        """
        shape = (2, len(self.users), n_cgs * len(HABIT_FEATURES))
        if self.values.shape != shape or self.values.dtype != np.float32:
            raise ValueError(f"habits are {self.values.dtype} {self.values.shape}; wanted float32 {shape}")
