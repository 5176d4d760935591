"""The wall clock jumps while the service runs: nobody notices."""

import os
import subprocess
import sys
import time

import pytest

from tests.faults.clock import Clock
from tests.faults.process import service_process
from tests.faults.test_swaps import PATHS
from tests.faults.traffic import SameAnswers, Traffic
from tests.stores import item_id, tiny_store

DAY = 86_400
JUMPS = (DAY, -DAY, 0, 10 * 365 * DAY, -10 * 365 * DAY, 0)


@pytest.fixture
def clock(tmp_path):
    made = Clock(tmp_path)
    made.set(DAY)
    read = subprocess.run(
        [sys.executable, "-c", "import time; print(time.time())"],
        env={**os.environ, **made.variables},
        capture_output=True,
        check=True,
    )
    assert float(read.stdout) > time.time() + DAY - 60
    made.set(0)
    return made


def metrics(service):
    return [line for line in service.text("/metrics").splitlines() if not line.startswith("#")]


def test_clock_jumps(tmp_path, clock, counts):
    """Requests, live history, hot swap, blocking and metrics go on, whatever the time is said to be."""
    store = tiny_store(tmp_path / "store")
    variables = {"CANDGEN_HISTORY": "memory", "CANDGEN_API_KEY": "k", **clock.variables}
    key = {"X-API-Key": "k"}
    same = SameAnswers()
    with (
        service_process(store.root, tmp_path / "log", 1, **variables) as service,
        Traffic(service.port, PATHS, same, connections=2, depth=4) as traffic,
    ):
        for turn, jump in enumerate(JUMPS[: counts(4, 6)]):
            clock.set(jump)
            traffic.wait_for(counts(200, 20_000))
            user = f"/history/{2**63 + turn}"
            for item in (1, 2):
                service.request(user, "POST", {"events": [{"item_id": item_id(item)}]}, key)
            answer = service.request(f"/candidates/{2**63 + turn}?n=8&cg=personal_top&exclude_seen=false")
            assert answer["user_known"]
            assert {one["item_id"] for one in answer["items"] if one["score"]} == {item_id(1), item_id(2)}
            assert service.request("/health/ready")
            # the service's publisher has the same clock: names of releases ascend all the same
            service.wait_until_served(tiny_store(store.root, seed=turn + 1).current(), 1)
            service.request("/admin/rollback", "POST", headers=key)
            service.wait_until_served(store.current(), 1)
            assert not [line for line in metrics(service) if float(line.rpartition(" ")[2]) < 0]
        clock.set(0)
    seen = traffic.seen
    assert (seen.wrong, seen.lost, seen.refused, set(seen.statuses)) == ([], 0, 0, {200})
    assert "refused" not in service.log
    assert "Traceback" not in service.log
    print(f"COUNTED {turn + 1} jumps of up to ten years, {seen.answered:,} requests, 0 failed")
