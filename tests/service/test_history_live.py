"""The merge of the snapshot with live events, and what is forgotten."""

import asyncio

import numpy as np
import pytest

from service.errors import HistoryUnavailableError
from service.history import EMPTY, FORGOTTEN, History, SnapshotHistory
from service.history_live import MAX_EVENTS, Event, LiveEvents, LiveHistory, merge, rows_of_texts
from service.history_memory import MemoryEvents
from service.ids import IdIndex

INDEX = IdIndex(np.array([10, 20, 30, 40], np.int64))


def as_lists(history):
    return history.items.tolist(), history.counts.tolist(), history.last.tolist()


def history(items, counts, last):
    return History(np.array(items, np.int32), np.array(counts, np.int32), np.array(last, np.int64))


def snapshot():
    return SnapshotHistory(
        IdIndex(np.array([1, 2], np.int64)),
        np.array([0, 2, 2], np.int64),
        np.array([0, 3], np.int32),
        np.array([5, 1], np.int32),
        np.array([100, 200], np.int64),
    )


def test_events_add_to_counts_and_last_times():
    merged = merge(history([0, 3], [5, 1], [100, 200]), np.array([3, 1, 3], np.int32), np.array([300, 50, 400]))
    assert as_lists(merged) == ([0, 1, 3], [5, 1, 3], [100, 50, 400])
    assert merged.differs


def test_events_that_the_release_was_trained_on_do_not_count_twice():
    stored = history([0, 3], [5, 1], [100, 200])
    assert merge(stored, np.array([0, 0, 3], np.int32), np.array([90, 100, 200])) is stored


@pytest.mark.parametrize("seed", range(20))
def test_merge_against_a_loop(seed):
    rng = np.random.default_rng(seed)
    items = np.flatnonzero(rng.random(10) < 0.5).astype(np.int32)
    stored = history(items, rng.integers(1, 9, len(items)), rng.integers(0, 50, len(items)))
    events, times = rng.integers(0, 10, 12).astype(np.int32), rng.integers(0, 100, 12)
    counts = dict(zip(*as_lists(stored)[:2], strict=True))
    last = dict(zip(stored.items.tolist(), stored.last.tolist(), strict=True))
    known = dict(last)
    for item, time in zip(events.tolist(), times.tolist(), strict=True):
        if time > known.get(item, -1):
            counts[item] = counts.get(item, 0) + 1
            last[item] = max(last.get(item, 0), time)
    merged = merge(stored, events, times)
    assert as_lists(merged) == (sorted(counts), [counts[i] for i in sorted(counts)], [last[i] for i in sorted(counts)])


def test_ids_become_rows_whatever_the_column_can_hold():
    assert rows_of_texts(["20", "7", str(2**64 - 1), "x", "40"], INDEX).tolist() == [1, -1, -1, -1, 3]
    strings = IdIndex(np.array([b"a", "ü".encode()]))
    assert rows_of_texts(["ü", "zz"], strings).tolist() == [1, -1]


class Unavailable(MemoryEvents):
    async def read(self, user):
        raise HistoryUnavailableError("gone")


def test_without_an_answer_the_snapshot_is_served_and_marked_but_not_of_the_forgotten():
    store = Unavailable()
    provider = LiveHistory(snapshot(), INDEX, store)
    found = asyncio.run(provider.get(1))
    assert as_lists(found.history) == ([0, 3], [5, 1], [100, 200])
    assert list(found.degraded) == ["history"]
    asyncio.run(store.forget(1))
    found = asyncio.run(provider.get(1))
    assert (found.history, list(found.degraded)) == (FORGOTTEN, ["history"])
    assert asyncio.run(provider.get(9)).history is None


def test_memory_appends_once_keeps_the_latest_and_forgets():
    async def main():
        store = MemoryEvents()
        provider = LiveHistory(snapshot(), INDEX, store)
        assert (await provider.get(9)).history is None
        assert await store.append(9, [Event(20, 5, "a"), Event(30, 6, "a"), Event(99, 7, "b")]) == 2
        assert await store.append(9, [Event(20, 5, "a")]) == 0
        assert as_lists((await provider.get(9)).history) == ([1], [1], [5])
        assert await store.append(1, [Event(20, i, str(i)) for i in range(1, MAX_EVENTS + 500)]) == MAX_EVENTS + 499
        assert len((await store.read(1)).events) == MAX_EVENTS
        assert as_lists((await provider.get(1)).history)[1] == [5, MAX_EVENTS, 1]
        await store.forget(1)
        assert (await provider.get(1)).history is FORGOTTEN
        await store.append(1, [Event(30, 8, "c")])
        assert as_lists((await provider.get(1)).history) == ([2], [1], [8])
        assert (await provider.get(2)).history is not None

    asyncio.run(main())


def test_a_user_without_events_is_the_snapshots():
    provider = LiveHistory(snapshot(), INDEX, MemoryEvents())
    assert not asyncio.run(provider.get(1)).history.differs
    assert asyncio.run(provider.get(2)).history is not EMPTY


def test_nothing_live_is_the_default():
    assert LiveEvents() == LiveEvents((), False)
