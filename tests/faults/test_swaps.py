"""Hot swaps, rollbacks and dead workers under load."""

import os
import signal
import time

import pytest

from service.store import Store
from tests.faults.process import service_process, wait_for
from tests.faults.traffic import SameAnswers, Traffic
from tests.stores import item_id, tiny_store, user_id

PATHS = [
    *(f"/candidates/{user_id(user)}?n=5&cg={cg}" for user in range(6) for cg in ("ease", "slim", "popular")),
    *(f"/mix/{user_id(user)}?n=5" for user in range(6)),
    "/candidates/5?n=8",
    f"/candidates/5?n=8&history={item_id(1)},{item_id(2)}",
]
CONNECTIONS, DEPTH = 4, 8
KEY = {"X-API-Key": "k"}


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


def test_swaps_under_load(store, tmp_path, full_faults):
    swaps, requests = (100, 1_000_000) if full_faults else (10, 20_000)
    same = SameAnswers()
    with service_process(store.root, tmp_path / "log") as service:
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


def test_blocked_on_every_worker(administered, full_faults):
    service, _ = administered
    rounds = 50 if full_faults else 5
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
def test_kill_9_of_workers_under_load(store, tmp_path, full_faults, with_swaps):
    if not (full_faults or with_swaps):
        pytest.skip("the short form is the one with swaps")
    kills = 100 if full_faults else 2
    same = SameAnswers()
    back = []
    with service_process(store.root, tmp_path / "log") as service:
        with Traffic(service.port, PATHS, same, CONNECTIONS, DEPTH) as traffic:
            for kill in range(kills):
                traffic.wait_for(200)
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
