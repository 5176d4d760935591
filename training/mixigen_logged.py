"""What the blender learns from: requests as it sees them, the lists of their users, and what was worth something."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from service.array_types import Floats, Longs
from service.mix_features import MixSchema
from service.mix_segments import values_of
from training.candidate_log import Lists


class Seen(NamedTuple):
    """What the blender sees of some requests before any candidate is fetched."""

    features: Floats
    """(n_requests, n_request_features)"""
    lengths: Floats
    """(n_requests, n_cgs)"""
    habits: Floats | None = None
    """(n_requests, n_cgs, habits of the schema)"""

    def extend(self, more: "Seen") -> "Seen":
        """Return both one after the other; both are with habits or without."""
        both = self.habits is not None and more.habits is not None
        habits = np.concatenate([self.habits, more.habits]) if both else None
        return Seen(
            np.concatenate([self.features, more.features]), np.concatenate([self.lengths, more.lengths]), habits
        )

    def values(self, schema: MixSchema) -> Floats:
        """Return (n_requests, …): what the trees of the segments ask for."""
        habits = [None] * len(self.features) if self.habits is None else self.habits
        return np.stack([values_of(*pair, schema) for pair in zip(self.features, habits, strict=True)])


class Logged(NamedTuple):
    """The candidate log of some requests, with seen items allowed or excluded."""

    seen: Seen
    lists: Lists
    list_of: Longs
    """(n_requests,) the list of each request."""
    value: Floats
    """(n_requests, n_cgs, depth) what the item at each place adds to the target; see `mixigen.worth`."""
    timestamps: Longs
    """(n_requests,) unix seconds."""

    def cut(self, depth: int) -> "Logged":
        """Return the log of the first positions."""
        items = np.ascontiguousarray(self.lists.items[:, :, :depth])
        return self._replace(lists=replace(self.lists, items=items), value=self.value[:, :, :depth])

    def extend(self, more: "Logged") -> "Logged":
        """Return both logs as one."""
        items = np.concatenate([self.lists.items, more.lists.items], axis=1)
        return Logged(
            self.seen.extend(more.seen),
            replace(self.lists, items=items),
            np.concatenate([self.list_of, more.list_of + self.lists.items.shape[1]]),
            np.concatenate([self.value, more.value]),
            np.concatenate([self.timestamps, more.timestamps]),
        )
