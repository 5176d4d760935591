"""How a worker process is: memory, threads, descriptors, and how late its event loop is."""

import asyncio
import os
from pathlib import Path

from service import metrics
from service.metrics_share import Share
from service.serving import Holder
from service.swap import Swapper

PERIOD_SECONDS = 1.0
_FIELDS = {"VmRSS": "resident_bytes", "RssAnon": "private_bytes"}


def read() -> None:
    """Set this process's gauges from /proc (where there is one)."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        metrics.gauge("open_files", len(os.listdir("/proc/self/fd")))
    except OSError:
        return
    for line in lines:
        name, _, value = line.partition(":")
        if name in _FIELDS:
            metrics.gauge(_FIELDS[name], 1024 * int(value.split()[0]))
        elif name == "Threads":
            metrics.gauge("threads", int(value))


def read_releases(swapper: Swapper, serving: str | None) -> None:
    """Set the gauges and counters of what is served."""
    if serving:
        metrics.gauge("release_info", 1, (serving,))
        metrics.gauge("release_load_seconds", swapper.load_seconds)
    metrics.counters["release_loads", ("loaded",)] = swapper.swaps
    metrics.counters["release_loads", ("refused",)] = swapper.refused


async def keep_reporting(share: Share, swapper: Swapper, holder: Holder) -> None:
    """Write this worker's counts, at once and then every second; say how late the loop comes to it."""
    loop = asyncio.get_running_loop()
    while True:
        read()
        read_releases(swapper, holder.release_name)
        share.write()
        due = loop.time() + PERIOD_SECONDS
        await asyncio.sleep(PERIOD_SECONDS)
        metrics.gauge("loop_lag_seconds", max(0.0, loop.time() - due))
