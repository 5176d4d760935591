"""Drawing from the planted structure, vectorised."""

from typing import TYPE_CHECKING

import numpy as np

from service.array_types import Doubles, Integers, Longs

if TYPE_CHECKING:
    from training.datasets.planted import Planted


class FreshSampler:
    """Draws items of a user's taste, repeats aside; both steps are one binary search each.

    Row r of a table of cumulated probabilities, plus r, is one ascending array over all rows: to draw
    from row r is to look r + uniform up in it.
    """

    def __init__(self, world: "Planted") -> None:
        self.world = world
        probabilities = world.cluster_probabilities()
        self.n_clusters = probabilities.shape[-1]
        self.shape = probabilities.shape[:-1]
        self.cluster_table = _stacked(probabilities.reshape(-1, self.n_clusters))
        self.by_cluster = np.argsort(world.item_cluster, kind="stable")
        mass = np.bincount(world.item_cluster, weights=world.popularity, minlength=self.n_clusters)
        before = np.concatenate([[0.0], np.cumsum(mass)])
        cumulated = np.cumsum(world.popularity[self.by_cluster])
        cluster = world.item_cluster[self.by_cluster]
        self.item_table = cluster + np.clip((cumulated - before[cluster]) / mass[cluster], 0, 1)
        last = np.cumsum(np.bincount(cluster, minlength=self.n_clusters)) - 1
        self.item_table[last] = np.arange(self.n_clusters) + 1.0

    def draw(self, users: Integers, hours: Integers, rng: np.random.Generator) -> Longs:
        """One item for each (user, hour)."""
        world = self.world
        row = np.ravel_multi_index((world.user_cluster[users], world.user_city[users], hours), self.shape)
        cell = np.searchsorted(self.cluster_table, row + rng.random(len(row)), side="right")
        # row + uniform may round up to row + 1: stay within the row
        cluster = np.minimum(cell, row * self.n_clusters + self.n_clusters - 1) % self.n_clusters
        place = np.searchsorted(self.item_table, cluster + rng.random(len(row)), side="right")
        item: Longs = self.by_cluster[np.minimum(place, len(self.by_cluster) - 1)]
        return item


def _stacked(probabilities: Doubles) -> Doubles:
    cumulated = np.clip(np.cumsum(probabilities, axis=1), 0, 1)
    cumulated[:, -1] = 1
    return np.asarray((cumulated + np.arange(len(cumulated))[:, None]).ravel())
