"""Whose habits apply, and what is refused."""

import dataclasses

import numpy as np
import pytest

from service.cg.base import Query
from service.history import FORGOTTEN, History
from service.ids import IdIndex
from service.mix_habits import HABIT_FEATURES, Habits

N = len(HABIT_FEATURES)
VALUES = np.arange(2 * 3 * 2 * N, dtype=np.float32).reshape(2, 3, 2 * N)
HABITS = Habits(IdIndex(np.array([5, 7, 9])), VALUES)
HISTORY = History(np.int32([1]), np.int32([1]), np.int64([1]))


@pytest.mark.parametrize("exclude_seen", [False, True])
def test_of_a_known_user(exclude_seen):
    found = HABITS.of(Query(7, HISTORY), exclude_seen)
    assert found.tolist() == VALUES[int(exclude_seen), 1].reshape(2, N).tolist()


@pytest.mark.parametrize(
    "query",
    [
        Query(6, HISTORY),
        Query(None, HISTORY),
        Query(7, HISTORY, history_given=True),
        Query(7, FORGOTTEN),
        Query(7, dataclasses.replace(HISTORY, differs=True)),
    ],
)
def test_nobody_known_is_an_average_user(query):
    assert HABITS.of(query, False).tolist() == np.zeros((2, N)).tolist()


def test_habits_of_other_generators_are_refused():
    HABITS.check(2)
    with pytest.raises(ValueError, match=r"habits are float32 \(2, 3, 12\); wanted float32 \(2, 3, 18\)"):
        HABITS.check(3)
