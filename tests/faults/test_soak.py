"""Many requests with swaps among them: nothing grows."""

import pytest

from tests.faults.process import service_process
from tests.faults.test_swaps import CONNECTIONS, DEPTH, PATHS, PATIENT
from tests.faults.traffic import Traffic
from tests.stores import tiny_store

SWAP_EVERY = 25_000
WARM_UP = 4
"""Of so many swaps the first."""


def gauges(service, name):
    """Return a gauge's sum over the workers."""
    lines = service.text("/metrics").splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"candgen_{name}{{"))


@pytest.mark.slow
@pytest.mark.timeout(86_400)
def test_soak(tmp_path, counts):
    """`--full-faults --fault-share 0.1` is a million requests."""
    swaps = counts(200_000, 10_000_000) // SWAP_EVERY
    store = tiny_store(tmp_path / "store")
    samples = []
    with (
        service_process(store.root, tmp_path / "log", **PATIENT) as service,
        Traffic(service.port, PATHS, connections=CONNECTIONS, depth=DEPTH) as traffic,
    ):
        for swap in range(swaps):
            traffic.wait_for(SWAP_EVERY)
            traffic.seen.seconds.clear()
            service.wait_until_served(tiny_store(store.root, seed=swap % 7 + 1).current())
            store.prune(keep=2)
            samples.append([gauges(service, name) for name in ("private_bytes", "open_files", "threads")])
    seen = traffic.seen
    assert (seen.wrong, seen.lost, seen.refused, set(seen.statuses)) == ([], 0, 0, {200})
    (bytes_before, *before), (bytes_after, *after) = samples[WARM_UP - 1], samples[-1]
    print(
        f"COUNTED {seen.answered:,} requests, {swaps} swaps, 0 failed: private memory "
        f"{bytes_after / bytes_before - 1:+.1%}, descriptors {before[0]:.0f} to {after[0]:.0f}, "
        f"threads {before[1]:.0f} to {after[1]:.0f}"
    )
    assert after[0] <= before[0] + 2
    assert after[1] <= before[1] + 2
    assert bytes_after <= (1.01 if swaps > 100 else 1.1) * bytes_before
