"""What each user made of each generator's candidates, learnt from requests of an earlier part of the log.

A place is worth something if its item is new where the lists are taken in turns. A user's habit is the sum of what
such places were worth more than to all users, over their number and a constant: one request says little, and
says 0 where there was none.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from service.array_types import Doubles, Floats
from service.ids import IdIndex
from service.mix_habits import BORDERS, HABIT_FEATURES, Habits
from training.mix_evaluation import LIKED_N, Part
from training.mixigen_base import in_turns, new_places

REQUESTS_TOGETHER = 2_000
SHRINKAGE = (20.0, 40.0, 70.0)
"""Places of each stretch that a user must have been shown before the habit counts half: two requests' or so."""


def learn(users: IdIndex, parts: Mapping[bool, Sequence[Part]]) -> Habits:
    """Learn from requests with seen items allowed (False) and excluded (True); users: those of the parts' rows."""
    ways = [_of_way(len(users), parts[way]) for way in (False, True)]
    return Habits(users, np.stack(ways))


def _of_way(n_users: int, parts: Sequence[Part]) -> Floats:
    """Return (n_users, n_cgs · n_features)."""
    n_cgs = len(parts[0].lists.cgs)
    worth = np.zeros((n_users, n_cgs, len(BORDERS), 2))
    count = np.zeros((n_users, n_cgs, len(BORDERS)))
    for part in parts:
        for first in range(0, len(part.requests), REQUESTS_TOGETHER):
            some = part.take(np.arange(first, min(first + REQUESTS_TOGETHER, len(part.requests))))
            own_worth, own_count = _places(some, n_cgs)
            np.add.at(worth, some.requests.user, own_worth)
            np.add.at(count, some.requests.user, own_count)
    mean = worth.sum(axis=0) / np.maximum(1, count.sum(axis=0))[..., None]
    habit = (worth - count[..., None] * mean) / (count + np.array(SHRINKAGE))[..., None]
    result: Floats = habit.reshape(n_users, n_cgs * len(HABIT_FEATURES)).astype(np.float32)
    return result


def _places(part: Part, n_cgs: int) -> tuple[Doubles, Doubles]:
    """Return the worth (n_requests, n_cgs, stretches, 2) of the new places of each stretch, and their number."""
    depth = part.lists.items.shape[2]
    curves = np.broadcast_to(in_turns(n_cgs, depth), (len(part.requests), n_cgs, depth))
    new = new_places(part.lists, part.list_of, curves, part.n_items)
    bought = part.bought[:, :n_cgs] * (LIKED_N / np.maximum(1, part.requests.positives))[:, None, None]
    borders = [border for border in BORDERS if border < depth]

    def stretches(values: NDArray[np.generic]) -> Doubles:
        sums = np.zeros((len(values), n_cgs, len(BORDERS)))
        sums[:, :, : len(borders)] = np.add.reduceat(values, borders, axis=2, dtype=np.float64)
        return sums

    worth = [stretches(np.where(new, value, 0)) for value in (part.liked(LIKED_N)[:, :n_cgs], bought)]
    return np.stack(worth, axis=-1), stretches(new)
