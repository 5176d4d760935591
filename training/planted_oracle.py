"""The oracles of the synthetic log: they allocate by the probabilities that the log was drawn from.

`curves` knows the kind of each user and with what probability every item is taken by whom at which hour, and
so what each place of each generator is worth to users of a kind at an hour: it is the best that anything can
do that decides before fetching, and knows no more of a user than that. `allocate` knows the very items behind
the places of each request as well, as no blender does: a bound that cannot be reached.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from service.array_types import Doubles, Ints, Longs
from service.ids import IdIndex
from service.registry import Release
from training.candidate_log import END, Lists
from training.datasets.planted import HOURS, Planted
from training.mixigen_base import base_curves
from training.requests import Requests

SECONDS_PER_HOUR = 3600
USERS_TOGETHER = 500
HOURS_TOGETHER = 3


@numba.njit(cache=True)
def _best_block(items, probabilities, heads, taken, room):  # type: ignore[no-untyped-def]
    """Return the list and the stretch from its head with the most expected hits per new item."""
    best_cg, best_end, best_density = -1, 0, -1.0
    for cg in range(len(items)):
        total, new = 0.0, 0
        for at in range(heads[cg], items.shape[1]):
            item = items[cg, at]
            if item < 0 or new == room:
                break
            if not taken[item]:
                total += probabilities[cg, at]
                new += 1
                if total / new > best_density:
                    best_cg, best_end, best_density = cg, at + 1, total / new
    return best_cg, best_end


@numba.njit(cache=True)
def _allocate_one(items, probabilities, n_items, picks):  # type: ignore[no-untyped-def]
    depth = items.shape[1]
    heads, taken, filled = np.zeros(len(items), np.int64), np.zeros(n_items, np.bool_), 0
    while filled < len(picks):
        cg, end = _best_block(items, probabilities, heads, taken, len(picks) - filled)
        if cg < 0:
            return
        for at in range(heads[cg], end):
            item = items[cg, at]
            if not taken[item]:
                taken[item] = True
                picks[filled] = cg * depth + at
                filled += 1
        heads[cg] = end


@numba.njit(parallel=True, cache=True)
def _allocate(items, list_of, probabilities, n_items, picks):  # type: ignore[no-untyped-def]
    for request in numba.prange(len(list_of)):
        own = np.ascontiguousarray(items[:, list_of[request]])
        _allocate_one(own, probabilities[np.int64(request)], n_items, picks[request])


def curves(world: Planted, release: Release, requests: Requests, lists: Lists, probabilities: Doubles) -> Doubles:
    """Return (n_requests, n_cgs, depth): what places are worth to users of that kind at that time of day.

    probabilities: `place_probabilities`.
    """
    user = world_rows(world.user_ids, release.users)[requests.user]
    block = requests.timestamps // SECONDS_PER_HOUR % HOURS // HOURS_TOGETHER
    group = world.user_kind[user] * (HOURS // HOURS_TOGETHER) + block
    list_of = lists.row_of(requests.user)
    found = np.empty_like(probabilities)
    for one in np.unique(group):
        some = group == one
        value = probabilities[some].astype(np.float32)
        found[some] = base_curves(lists, list_of[some], value, monotone=True)
    return found


def allocate(lists: Lists, list_of: Longs, probabilities: Doubles, n_items: int, n: int) -> Ints:
    """Return places (n_requests, n), generator · depth + position; −1 where all lists have ended.

    Greedily the stretch, from the head of a list, with the highest mean probability of its new items; that
    is optimal but for items that several lists have, and for the last stretch that has to be cut.
    """
    picks = np.full((len(list_of), n), -1, np.int32)
    _allocate(lists.items, list_of, probabilities, n_items, picks)
    return picks


def place_probabilities(world: Planted, release: Release, requests: Requests, lists: Lists) -> Doubles:
    """Return (n_requests, n_cgs, depth): the probability of the item at each place; 0 past a list's end."""
    found = np.zeros((len(requests), len(lists.cgs), lists.items.shape[2]))
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
            at_place = probabilities[np.arange(len(some))[:, None, None], item[np.maximum(places, 0)]]
            found[some] = np.where(places == END, 0.0, at_place)
    return found


def world_rows(world_ids: NDArray[np.uint64], index: IdIndex) -> Longs:
    """Return for each row of the release the row of the world.

    Raises:
        ValueError: the release knows an id that the world does not: they are not of the same log.
    """
    order = np.argsort(world_ids)
    place = np.minimum(np.searchsorted(world_ids[order], index.ids), len(order) - 1)
    if not (world_ids[order][place] == index.ids).all():
        raise ValueError("the release has ids that the planted world has not; use the plan that the log was made with")
    return order[place]
