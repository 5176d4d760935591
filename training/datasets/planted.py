"""The structure that the synthetic log is drawn from, so that a model can be held against the truth.

The item of a *relevant* event (all carts and purchases are) of user u at hour h is
    with probability repeat(u, h)  one of favourites[u], each as likely as the others,
    else with p_trend[u]           one that is in fashion: an item ~ trend, whatever the user's taste,
    otherwise                      a cluster c ~ popularity of c · affinity[cluster of u, c]
                                   · hour_effect[c, h] · city_effect[c, city of u],
                                   and in it an item ~ popularity.
Users are of three kinds, of which each city has mostly one: those who repeat, those who explore their taste,
and those who follow the trend; and everybody repeats more in the morning. So which generator of candidates is
the best depends on the user and on the hour, in a way that history, place and time of day tell.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.array_types import Doubles, Integers, Longs
from training.datasets.planted_sampler import FreshSampler
from training.errors import DataError

HOURS = 24
FAVOURITES = 30
"""So many that a list of thirty is full with them."""
REPEATER, EXPLORER, FOLLOWER = 0, 1, 2
KINDS = 3
REPEATS, FOLLOWS = np.array([0.85, 0.1, 0.1]), np.array([0.1, 0.1, 0.9])
"""Means of p_repeat and p_trend of each kind."""
IN_FASHION = 40
"""One item of so many is in fashion."""
SHARE_OF_OWN_KIND = 0.8
"""How many of a city's users are of the kind that prevails there."""
HABIT = 2.0
"""How far the odds of a repeat swing over the day, as a logarithm."""


@dataclass(frozen=True)
class Size:
    """How large the planted world is; `Size.of(rows)` gives the proportions of a grocery log."""

    users: int
    items: int
    clusters: int = 12
    cities: int = 6
    stores_per_city: int = 10

    @classmethod
    def of(cls, rows: int) -> "Size":
        """500 events a user, and a catalogue that grows with the square root of the log."""
        return cls(users=max(5, rows // 500), items=max(24, 2 * int(rows**0.5)))


@dataclass(frozen=True)
class Planted:
    """Every quantity that the log depends on; users and items are indices, ids come beside them."""

    user_ids: NDArray[np.uint64]
    """(n_users,) distinct, over the whole range of uint64"""
    item_ids: NDArray[np.uint64]
    """(n_items,) likewise"""
    user_cluster: Longs
    """(n_users,)"""
    item_cluster: Longs
    """(n_items,)"""
    activity: Doubles
    """(n_users,) share of the requests, sums to 1; log-normal"""
    popularity: Doubles
    """(n_items,) sums to 1; a power law"""
    affinity: Doubles
    """(n_clusters, n_clusters) user cluster × item cluster"""
    hour_effect: Doubles
    """(n_clusters, 24) factor for an item cluster at an hour of the day (UTC)"""
    city_effect: Doubles
    """(n_clusters, n_cities) factor for an item cluster in a city"""
    user_city: Longs
    """(n_users,)"""
    user_store: Longs
    """(n_users,)"""
    p_repeat: Doubles
    """(n_users,) probability that a relevant event is about a favourite, at hours in between"""
    user_kind: Longs
    """(n_users,) REPEATER, EXPLORER or FOLLOWER"""
    p_trend: Doubles
    """(n_users,) probability that another relevant event is about what is in fashion"""
    trend: Doubles
    """(n_items,) sums to 1; the most popular ones, each as likely as the others"""
    habit: Doubles
    """(24,) factor on the odds of a repeat at an hour of the day (UTC)"""
    favourites: Longs
    """(n_users, FAVOURITES) items; one that stands there twice is twice as likely"""

    def repeat(self, users: Integers, hours: Integers | int) -> Doubles:
        """(len(users),): probability that a relevant event at that hour is about a favourite."""
        odds = self.p_repeat[users] / (1 - self.p_repeat[users]) * self.habit[hours]
        return np.asarray(odds / (1 + odds))

    def cluster_probabilities(self) -> Doubles:
        """(user cluster, city, hour, item cluster) → probability of the item cluster, repeats aside."""
        mass = np.bincount(self.item_cluster, weights=self.popularity, minlength=len(self.affinity))
        city, hour = self.city_effect.T[None, :, None, :], self.hour_effect.T[None, None, :, :]
        weights = mass * self.affinity[:, None, None, :] * city * hour
        return np.asarray(weights / weights.sum(axis=-1, keepdims=True))

    def item_probabilities(self, users: Integers, hour: int) -> Doubles:
        """(len(users), n_items): probability of each item in a relevant event at that hour. The oracle."""
        users = np.asarray(users)
        clusters = self.cluster_probabilities()[self.user_cluster[users], self.user_city[users], hour]
        mass = np.bincount(self.item_cluster, weights=self.popularity, minlength=len(self.affinity))
        fresh = clusters[:, self.item_cluster] * (self.popularity / mass[self.item_cluster])
        repeat, follow = self.repeat(users, hour), self.p_trend[users][:, None]
        new = follow * self.trend + (1 - follow) * fresh
        probabilities: Doubles = (1 - repeat)[:, None] * new
        np.add.at(
            probabilities,
            (np.arange(len(users))[:, None], self.favourites[users]),
            repeat[:, None] / FAVOURITES,
        )
        return probabilities


def plant(size: Size, seed: int) -> Planted:
    """Draw a world; the same size and seed give the same one."""
    if min(size.users, size.items, size.cities, size.clusters, size.stores_per_city) < 1 or size.items < size.clusters:
        raise DataError(f"{size}; wanted at least one of each and an item for every cluster; make it larger")
    rng = np.random.default_rng([seed, 1])
    user_city = rng.integers(size.cities, size=size.users)
    own = rng.random(size.users) < SHARE_OF_OWN_KIND
    kind = np.where(own, user_city % KINDS, rng.integers(KINDS, size=size.users))
    ranks = rng.permutation(size.items) + 1.0
    in_fashion = max(1, size.items // IN_FASHION)
    # one item for each cluster first, so that none is empty
    item_cluster = np.concatenate(
        [np.arange(size.clusters), rng.integers(size.clusters, size=size.items - size.clusters)]
    )
    affinity = np.exp(rng.normal(0, 0.5, (size.clusters, size.clusters)) + 2.5 * np.eye(size.clusters))
    activity = rng.lognormal(0, 1, size.users)
    phase, hours = rng.uniform(0, HOURS, (size.clusters, 1)), np.arange(HOURS)
    world = Planted(
        user_ids=scrambled(np.arange(size.users), seed, stream=1),
        item_ids=scrambled(np.arange(size.items), seed, stream=2),
        user_cluster=rng.integers(size.clusters, size=size.users),
        item_cluster=item_cluster,
        activity=activity / activity.sum(),
        popularity=ranks**-0.8 / (ranks**-0.8).sum(),
        affinity=affinity,
        hour_effect=np.exp(0.8 * np.cos(2 * np.pi * (hours - phase) / HOURS)),
        city_effect=np.exp(rng.normal(0, 0.5, (size.clusters, size.cities))),
        user_city=user_city,
        user_store=user_city * size.stores_per_city + rng.integers(size.stores_per_city, size=size.users),
        p_repeat=_around(REPEATS[kind], rng),
        user_kind=kind,
        p_trend=_around(FOLLOWS[kind], rng),
        trend=(ranks <= in_fashion) / in_fashion,
        habit=np.exp(HABIT * np.cos(2 * np.pi * (hours - 8) / HOURS)),
        favourites=np.zeros((size.users, FAVOURITES), np.int64),
    )
    world.favourites[:] = _favourites(world, rng)
    return world


def _around(mean: Doubles, rng: np.random.Generator) -> Doubles:
    """Shares that scatter a little around their means."""
    return np.clip(rng.beta(30 * mean, 30 * (1 - mean)), 0.01, 0.99)


def _favourites(world: Planted, rng: np.random.Generator) -> Longs:
    """Each user's favourites: items of their taste at random hours, before anything is a repeat."""
    users = np.repeat(np.arange(len(world.user_ids)), FAVOURITES)
    sampler = FreshSampler(world)
    return sampler.draw(users, rng.integers(HOURS, size=len(users)), rng).reshape(-1, FAVOURITES)


def scrambled(index: Integers, seed: int, stream: int) -> NDArray[np.uint64]:
    """Distinct ids over the whole range of uint64 (splitmix64, a bijection): half of them are above 2^63."""
    start = np.random.default_rng([seed, 2, stream]).integers(2**64, dtype=np.uint64)
    x = start + np.asarray(index).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))
