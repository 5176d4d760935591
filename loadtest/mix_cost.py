"""What /mix costs beside the generators it blends: computation in one process, no HTTP, one core.

    python loadtest/mix_cost.py --store DIR [--n 100] [--users 300] [--strategy mixigen]

For each user all `/candidates` computations of the mix's generators, then the mix of the same n; "watched"
is as it is served, under a time budget. Prints medians in microseconds of processor time, which other load
on the machine disturbs least (--wall: of the clock), and of the ratio to the sum of the generators.
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from service import registry
from service.generate import Request, generate
from service.mix import MixRequest, curves, default_cgs, mix
from service.mix_kernels import warm_up
from service.registry import Release
from service.store import Store
from service.watch import Watch

BUDGET_MS = 1000
Clock = Callable[[], float]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, default=Path("models_store"))
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--users", type=int, default=300)
    parser.add_argument("--strategy", help="default: the release's")
    parser.add_argument("--wall", action="store_true", help="measure the clock instead of processor time")
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    release = registry.load(Store(args.store))
    warm_up()
    clock = time.perf_counter if args.wall else time.process_time
    report(release, args.n, args.users, args.strategy, clock)


def report(release: Release, n: int, n_users: int, strategy: str | None, clock: Clock) -> None:
    """Time users spread over the whole index, three rounds of which the last counts."""
    rows = np.linspace(0, len(release.users) - 1, n_users).astype(np.int32)
    watch = Watch(BUDGET_MS)
    for _ in range(3):
        times = [
            times_of(release, MixRequest(user, n=n, strategy=strategy), watch, clock)
            for user in release.users.ids_of(rows)
        ]
    names = default_cgs(release)
    columns = {name: np.array([row[name] for row in times]) for name in times[0]}
    columns["sum"] = np.sum([columns[name] for name in names], axis=0)
    for name in (*names, "sum", *(name for name in times[0] if name not in names)):
        ratio = np.median(columns[name] / columns["sum"])
        print(f"{name:14} {np.median(columns[name]):8.0f} µs, {ratio:.2f} × the sum (medians over {n_users} users)")


def times_of(release: Release, request: MixRequest, watch: Watch, clock: Clock) -> dict[str, float]:
    """Return microseconds of each generator alone, and of the mix with and without the watch."""

    def timed(work: Callable[..., object], *args: object) -> float:
        started = clock()
        work(*args)
        return (clock() - started) * 1e6

    user, names = request.user_id, default_cgs(release)
    stored = release.history.lookup(user)
    times = {name: timed(generate, release, Request(user, name, request.n), stored) for name in names}
    times["mix"] = timed(mix, release, request, stored)
    times["mix, watched"] = timed(mix, release, request, stored, watch)
    if release.mixigen is not None:
        times["its scores"] = timed(curves, release, request, stored)
    return times


if __name__ == "__main__":
    main()
