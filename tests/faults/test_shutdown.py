"""SIGTERM under load; workers that die or hang."""

import contextlib
import os
import signal
import threading
import time

import pytest

from tests.faults import load
from tests.faults.server import serving

PATHS = [f"/candidates/{user}?n=3" for user in range(-2, 3)]


class Balanced:
    """Callers behind a balancer: they ask until the service says that it is not ready, then go elsewhere."""

    def __init__(self, server):
        self._server, self._ready = server, True
        self.result, self.seconds_until_not_ready = None, None
        self._threads = [threading.Thread(target=self._probe), threading.Thread(target=self._ask)]

    def _probe(self):
        while self._ready:
            self._ready = self._server.get("/health/ready")[0] == 200
            time.sleep(0.05)

    def _ask(self):
        self.result = load.closed_loop(self._server.port, PATHS, 8, 60, lambda: self._ready)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        for thread in self._threads:
            thread.join()


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_sigterm_under_load_fails_no_request(store, workers, full_faults, counts):
    answered = 0
    for _ in range(counts(1, 20)):
        with serving(store.root, workers, drain_seconds=1.5) as server:
            with Balanced(server) as callers:
                time.sleep(5 if full_faults else 1)
                server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(20) == 0
            assert set(callers.result.statuses) == {200}, callers.result.errors[:3]
            assert callers.result.statuses[200] > 100
            answered += callers.result.statuses[200]
    print(f"COUNTED {counts(1, 20)} SIGTERMs with {workers} workers, {answered:,} requests, 0 failed")


def test_sigterm_twice_ends_at_once(store):
    with serving(store.root, drain_seconds=60) as server:
        server.process.send_signal(signal.SIGTERM)
        while server.get("/health/ready")[0] == 200:
            time.sleep(0.01)
        assert server.get("/health/live")[0] == 200
        assert server.get(PATHS[0])[0] == 200
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_dead_or_hanging_worker_is_replaced(store, number, counts):
    with serving(store.root, 2) as server:
        for _ in range(counts(1, 20)):
            victim = min(server.workers(2))
            os.kill(victim, number)
            done = load.closed_loop(server.port, PATHS, 2, 6) if number == signal.SIGKILL else None
            assert victim not in server.workers(2, without=[victim])
            if done:  # the other one serves on; what was in flight in the dead one may be lost
                assert done.statuses[200] > 100
                assert done.statuses["failed"] <= 2
                assert set(done.statuses) <= {200, "failed"}, "a worker that is not ready must not be asked"
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        assert server.process.poll() is None


def test_counters_of_dead_workers_stay(store):
    with serving(store.root, 2) as server:
        done = load.closed_loop(server.port, PATHS, 4, 1).statuses[200]
        time.sleep(1.5)  # every worker writes its counts once a second
        for victim in server.workers(2):
            os.kill(victim, signal.SIGKILL)
        server.workers(2)
        assert server.total("candgen_requests_total", route="/candidates/{user_id}", status="200") == done
        assert len([series for series in server.metrics() if "candgen_threads" in series]) == 2
