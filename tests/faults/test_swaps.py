"""Hot swaps, rollbacks and dead workers under load."""

import os
import signal
import time
from dataclasses import replace

import numpy as np
import pytest

from service.store import Store
from tests.faults.process import service_process, wait_for
from tests.faults.traffic import SameAnswers, Traffic
from tests.stores import item_id, tiny_interactions, tiny_store, user_id
from training.artifacts import data_draft, model_draft, weight_arrays

PATHS = [
    *(f"/candidates/{user_id(user)}?n=5&cg={cg}" for user in range(6) for cg in ("ease", "slim", "popular")),
    *(f"/mix/{user_id(user)}?n=5" for user in range(6)),
    "/candidates/5?n=8",
    f"/candidates/5?n=8&history={item_id(1)},{item_id(2)}",
]
CONNECTIONS, DEPTH = 4, 8
KEY = {"X-API-Key": "k"}
PATIENT = {"CANDGEN_REQUEST_BUDGET_MS": "60000", "CANDGEN_QUEUE_BUDGET_MS": "5000"}
"""A busy machine makes blends give up generators, which is another answer, and workers refuse: not what is tested."""


@pytest.fixture
def store(tmp_path) -> Store:
    return tiny_store(tmp_path / "store")


@pytest.fixture(scope="module")
def administered(tmp_path_factory):
    """A service with a key, and its store."""
    folder = tmp_path_factory.mktemp("administered")
    store = tiny_store(folder / "store")
    with service_process(store.root, folder / "log", CANDGEN_API_KEY="k") as service:
        yield service, store


def test_swaps_under_load(store, tmp_path, counts):
    swaps, requests = counts(10, 100), counts(20_000, 1_000_000)
    same = SameAnswers()
    with service_process(store.root, tmp_path / "log", **PATIENT) as service:
        with Traffic(service.port, PATHS, same, CONNECTIONS, DEPTH) as traffic:
            traffic.wait_for(requests // 10)
            steady = traffic.seen.p99_ms()
            traffic.seen.seconds.clear()
            pids = [worker["pid"] for worker in service.workers()]
            rss = sum(map(service.rss, pids))
            took = []
            for swap in range(swaps):
                name = store.rollback() if swap % 5 == 4 else tiny_store(store.root, seed=swap + 1).current()
                took.append(service.wait_until_served(name))
                traffic.wait_for(requests * 9 // 10 // swaps)
            peak = sum(service.rss(pid, "VmHWM") for pid in pids)
            seen = traffic.seen
        assert [worker["pid"] for worker in service.workers()] == pids
        assert "refused" not in service.log
    assert (seen.wrong, seen.lost, seen.refused, set(seen.statuses)) == ([], 0, 0, {200})
    assert len(seen.releases) >= swaps * 4 // 5
    assert same.differ()
    assert peak <= 2.2 * rss
    print(
        f"COUNTED {swaps} swaps, {seen.answered:,} requests, 0 failed, {len(seen.releases)} releases, p99 "
        f"{steady:.1f} ms before and {seen.p99_ms():.1f} ms during, RSS {peak / rss:.2f} times, all workers after "
        f"{max(took):.2f} s at most"
    )


def test_a_rollback_restores_the_answers_byte_for_byte(administered):
    service, store = administered
    before = store.current()
    answers = {path: service.request(path) for path in PATHS}
    service.wait_until_served(tiny_store(store.root, seed=5).current())
    assert {path: service.request(path) for path in PATHS} != answers
    service.request("/admin/rollback", "POST", headers=KEY)
    took = service.wait_until_served(before)
    for _ in range(5):  # whichever worker answers
        assert {path: service.request(path) for path in PATHS} == answers
    print(f"COUNTED rollback served by 2 workers after {took:.2f} s, {5 * len(PATHS)} answers the same")


def test_blocked_on_every_worker(administered, counts):
    service, _ = administered
    rounds = counts(5, 50)
    blocked, slowest = item_id(3), 0.0
    for method, expected in (("PUT", False), ("DELETE", True)) * rounds:
        start = time.perf_counter()
        service.request(f"/admin/blocked/{blocked}", method, headers=KEY)
        agreeing = 0
        while agreeing < 20:  # each on a connection of its own: both workers answer
            items = {one["item_id"] for one in service.request("/candidates/5?n=8")["items"]}
            agreeing = agreeing + 1 if (blocked in items) == expected else 0
            slowest = slowest if agreeing else max(slowest, time.perf_counter() - start)
            assert time.perf_counter() - start < 60
    print(f"COUNTED {2 * rounds} changes, on all workers after {slowest:.2f} s at most")


@pytest.mark.parametrize("with_swaps", [False, True])
def test_kill_9_of_workers_under_load(store, tmp_path, full_faults, counts, with_swaps):
    if not (full_faults or with_swaps):
        pytest.skip("the short form is the one with swaps")
    kills, requests = counts(2, 100), counts(400, 1_000_000)
    same = SameAnswers()
    back = []
    with service_process(store.root, tmp_path / "log", **PATIENT) as service:
        with Traffic(service.port, PATHS, same, CONNECTIONS, DEPTH) as traffic:
            for kill in range(kills):
                traffic.wait_for(requests // kills)
                pids = {worker["pid"] for worker in service.workers()}
                os.kill(sorted(pids)[kill % 2], signal.SIGKILL)
                start = time.perf_counter()
                if with_swaps:
                    tiny_store(store.root, seed=kill + 1)
                wait_for(lambda pids=pids: len({w["pid"] for w in service.workers()} - pids) == 1, "replaced", 120)
                back.append(time.perf_counter() - start)
                if with_swaps:
                    service.wait_until_served(store.current())
            seen = traffic.seen
        assert service.count() == 2
    assert (seen.wrong, seen.refused, set(seen.statuses)) == ([], 0, {200})
    assert seen.lost <= kills * (1 + (CONNECTIONS - 1) * DEPTH)
    print(
        f"COUNTED {kills} kills{' with as many swaps' if with_swaps else ''}, {seen.answered:,} requests answered, "
        f"{seen.lost} lost with their worker, 0 failed else; replaced and ready after {max(back):.1f} s at most"
    )


def test_a_stopped_worker_is_replaced(store, tmp_path, full_faults):
    if not full_faults:
        pytest.skip("takes as long as the supervisor waits for a sign of life")
    with service_process(store.root, tmp_path / "log") as service:
        pids = {worker["pid"] for worker in service.workers()}
        victim = min(pids)
        os.kill(victim, signal.SIGSTOP)
        start = time.perf_counter()

        def replaced():
            return [w["pid"] for w in service.workers() if w["pid"] not in pids]

        wait_for(replaced, "the stopped worker is replaced", 120)
        print(f"COUNTED replaced after {time.perf_counter() - start:.1f} s")


def dense_release(store: Store, n_items: int, seed: int) -> str:
    """Publish an EASE whose matrix outweighs the process."""
    tiny = tiny_interactions("int64")
    extra = np.arange(n_items - len(tiny.item_ids)) + 1000
    wide = replace(
        tiny,
        item_ids=np.concatenate([tiny.item_ids, extra]),
        item_categories=[None] * n_items,
        item_names=[None] * n_items,
    )
    W = np.random.default_rng(seed).random((n_items, n_items), np.float32)
    data = data_draft(wide)
    arrays, config = weight_arrays(W), {"weighting": "count"}
    known = {"data_fingerprint": data.data_fingerprint, "fit_seconds": 0.0, "metrics": {}, "files": {}}
    return store.publish([data, model_draft("ease", "ease", wide, arrays, config, **known)]).release


def test_memory_while_two_releases_are_loaded(tmp_path, full_faults):
    n_items, swaps = (8000, 20) if full_faults else (1500, 3)
    store = Store(tmp_path / "store")
    dense_release(store, n_items, 0)
    paths = [f"/candidates/{user_id(user, 'int64')}?n=100" for user in range(6)]
    paths += [f"/candidates/1?history={item}" for item in range(1000, 1000 + n_items - 8, 5)]
    with service_process(store.root, tmp_path / "log", 1) as service:
        pid = service.workers()[0]["pid"]
        with Traffic(service.port, paths, connections=3, depth=2) as traffic:
            traffic.wait_for(len(paths))
            steady = service.rss(pid)
            for swap in range(swaps):
                name = dense_release(store, n_items, swap + 1)
                service.wait_until_served(name, 1)
                store.prune(keep=1)
            traffic.wait_for(len(paths))
            after, peak = service.rss(pid), service.rss(pid, "VmHWM")
        assert (traffic.seen.wrong, traffic.seen.lost) == ([], 0)
    assert peak <= 2.2 * steady
    assert after <= 1.3 * steady
    print(
        f"COUNTED {swaps} swaps of {n_items**2 * 4 / 2**20:.0f} MiB under load: RSS {steady / 2**20:.0f} MiB steady, "
        f"{peak / steady:.2f} times at the peak, {after / steady:.2f} times after the last"
    )


def test_a_rollback_of_a_large_release(tmp_path, counts):
    """A second release that shares nothing but its data; both were served, so both are known to be sound."""
    n_items = counts(1_500, 16_400)  # a dense float32 matrix of a GiB
    store = Store(tmp_path / "store")
    first = dense_release(store, n_items, 0)
    with service_process(store.root, tmp_path / "log", CANDGEN_API_KEY="k") as service:
        time.sleep(2.5)  # a file that is younger than that is read again
        service.wait_until_served(dense_release(store, n_items, 1))
        time.sleep(2.5)
        took = []
        for _ in range(counts(1, 5)):
            service.request("/admin/rollback", "POST", headers=KEY)
            took.append(service.wait_until_served(first))
            store.rollback(store.releases()[-1])
            service.wait_until_served(store.current())
    print(f"COUNTED {len(took)} rollbacks of {n_items**2 * 4 / 2**30:.2f} GiB on 2 workers, {max(took):.2f} s at most")
