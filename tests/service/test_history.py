import asyncio

import numpy as np

from service.history import SnapshotHistory, from_events
from service.ids import IdIndex

INDEX = IdIndex(np.array([10, 20, 30, 40], np.int64))


def snapshot():
    return SnapshotHistory(
        IdIndex(np.array([1, 2, 3], np.int64)),
        np.array([0, 2, 2, 3], np.int64),
        np.array([0, 3, 1], np.int32),
        np.array([5, 1, 2], np.int32),
        np.array([100, 200, 300], np.int64),
    )


def test_a_row_is_the_history_of_its_user():
    history = snapshot().lookup(1)
    assert (history.items.tolist(), history.counts.tolist(), history.last.tolist()) == (
        [0, 3],
        [5, 1],
        [100, 200],
    )


def test_a_known_user_without_items_is_not_an_unknown_one():
    assert len(snapshot().lookup(2)) == 0
    assert snapshot().lookup(9) is None
    assert snapshot().lookup(2**64 - 1) is None


def test_the_provider_protocol_is_asynchronous():
    assert asyncio.run(snapshot().get(3)).history.items.tolist() == [1]


def test_given_events_are_counted_ordered_in_time_and_unknown_ids_listed_once():
    history, unknown = from_events([40, 7, 10, 40, 7, 8], INDEX)
    assert history.items.tolist() == [0, 3]
    assert history.counts.tolist() == [1, 2]
    assert history.last.tolist() == [2, 3]
    assert unknown == [7, 8]


def test_only_unknown_ids_make_an_empty_history():
    history, unknown = from_events([7], INDEX)
    assert len(history) == 0
    assert unknown == [7]
