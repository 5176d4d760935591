"""The oracle of the synthetic log: it allocates by the probabilities that the log was drawn from.

For each request it knows with what probability the item at the head of each list is taken, by this user
at this hour, and merges the lists by that: what a blender would do that knew everything but the future.
No blender that sees no items can reach it; how near it comes is the question.
"""

import numpy as np
from numpy.typing import NDArray

from service.ids import IdIndex
from service.registry import Release
from training.candidate_log import END, Lists
from training.datasets.planted import HOURS, Planted
from training.requests import Requests

Doubles = NDArray[np.float64]
SECONDS_PER_HOUR = 3600
USERS_TOGETHER = 500


def oracle_curves(world: Planted, release: Release, requests: Requests, lists: Lists) -> Doubles:
    """Return (n_requests, n_cgs, depth): the probability of the item at each place; 0 past a list's end.

    With seen items excluded that is the probability among all items, which leaves the order as it is.
    """
    curves = np.zeros((len(requests), len(lists.cgs), lists.items.shape[2]))
    hour = requests.timestamps // SECONDS_PER_HOUR % HOURS
    list_of = lists.row_of(requests.user)
    user = world_rows(world.user_ids, release.users)[requests.user]
    item = world_rows(world.item_ids, release.items)
    for now in range(HOURS):
        at_now = np.flatnonzero(hour == now)
        for first in range(0, len(at_now), USERS_TOGETHER):
            some = at_now[first : first + USERS_TOGETHER]
            probabilities = world.item_probabilities(user[some], now)
            places = lists.items[:, list_of[some]].transpose(1, 0, 2)
            found = np.take_along_axis(probabilities[:, None, :], item[np.maximum(places, 0)], axis=2)
            curves[some] = np.where(places == END, 0.0, found)
    return curves


def world_rows(world_ids: NDArray[np.uint64], index: IdIndex) -> NDArray[np.int64]:
    """Return for each row of the release the row of the world.

    Raises:
        ValueError: the release knows an id that the world does not: they are not of the same log.
    """
    order = np.argsort(world_ids)
    place = np.minimum(np.searchsorted(world_ids[order], index.ids), len(order) - 1)
    if not (world_ids[order][place] == index.ids).all():
        raise ValueError("the release has ids that the planted world has not; use the plan that the log was made with")
    return order[place]
