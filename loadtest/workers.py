"""What a second worker costs: memory of each, processor time and throughput with one and with two.

    python -m loadtest.workers --store DIR [--case slim] [--apart] [--seconds 3] [--json FILE]

Servers and client (16 connections for each worker, users uniformly at random) run on all cores; with --apart the
client has the last one for itself: with two cores that leaves one for two workers, where throughput cannot grow. "Model
memory" are the pages of the store's files that a worker has touched: RSS counts them in every worker, PSS splits them.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from loadtest import client, paths, servers, wrk
from loadtest.memory import memory_mb, store_memory_mb
from loadtest.servers import Server
from training.tables import markdown

SAMPLE = 5000
CONNECTIONS = 16


@dataclass(frozen=True)
class Row:
    """One server with so many workers."""

    workers: int
    per_second: float
    cpu_us: float
    pss_mb: list[float]
    """Of each worker, everything; the supervising process apart."""
    own_mb: list[float]
    """Of each, what is mapped from no file."""
    model_pss_mb: list[float]
    model_rss_mb: list[float]

    @property
    def model_mb(self) -> float:
        """Mapped model memory of all workers together, each page counted once."""
        return sum(self.model_pss_mb)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, default=Path("models_store"))
    parser.add_argument("--case", default="slim", help="generator, or mix")
    parser.add_argument("--apart", action="store_true", help="the client on a core of its own")
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    rows = measure(args.store, args.case, args.n, args.rounds, args.seconds, args.apart)
    print(report(rows))
    if args.json:
        args.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))


def measure(store: Path, case: str, n: int, rounds: int, seconds: float, apart: bool) -> list[Row]:
    """Drive a server with one worker and one with two in turn."""
    users = paths.sample(paths.users_of(store), SAMPLE, seed=0)
    asked = [paths.mix(u, f"n={n}") if case == "mix" else paths.candidates(u, f"cg={case}&n={n}") for u in users]
    last = (os.cpu_count() or 1) - 1
    cores, own = (set(range(last)), {last}) if last and apart else (None, None)
    with servers.service(store, cores, 1) as one, servers.service(store, cores, 2) as two:
        servers_of = {1: one, 2: two}
        shots: dict[int, list[tuple[float, float]]] = {1: [], 2: []}
        for seed in range(rounds + 1):  # the first is to warm up
            for workers, server in servers_of.items():
                shots[workers].append(_drive(server, asked, seconds, seed, own, CONNECTIONS * workers))
        print(f"client on core {last}, servers on the others" if own else "all on all cores", file=sys.stderr)
        return [_row(workers, server, shots[workers][1:], store) for workers, server in servers_of.items()]


def _drive(
    server: Server, asked: Sequence[str], seconds: float, seed: int, cores: set[int] | None, connections: int
) -> tuple[float, float]:
    """Return requests per second, and microseconds of processor time of one."""
    drive = wrk.drive if wrk.installed() else client.drive
    before = server.cpu_seconds()
    result = drive(server.url, asked, seconds, seed, cores, connections=connections)
    return result.per_second, 1e6 * (server.cpu_seconds() - before) / result.requests


def _row(workers: int, server: Server, shots: Sequence[tuple[float, float]], store: Path) -> Row:
    pids = [server.process.pid] if workers == 1 else _serving(server, store)
    memories, models = [memory_mb(pid) for pid in pids], [store_memory_mb(pid, store) for pid in pids]
    return Row(
        workers,
        median(per_second for per_second, _ in shots),
        median(cpu for _, cpu in shots),
        [memory.total for memory in memories],
        [memory.own for memory in memories],
        [pss for pss, _ in models],
        [rss for _, rss in models],
    )


def _serving(server: Server, store: Path) -> list[int]:
    """Return the processes that have mapped the release: the workers, not their helpers."""
    return [pid for pid in server.pids() if store_memory_mb(pid, store)[1] > 0]


def report(rows: Sequence[Row]) -> str:
    """Return the rows as Markdown, and what a second worker adds."""
    table = {
        f"{row.workers}": {
            "requests/s": f"{row.per_second:,.0f}",
            "CPU µs": f"{row.cpu_us:.0f}",
            "PSS of each, MB": _list(row.pss_mb),
            "own memory, MB": _list(row.own_mb),
            "model memory PSS, MB": _list(row.model_pss_mb),
            "model memory RSS, MB": _list(row.model_rss_mb),
        }
        for row in rows
    }
    one, two = rows
    # in the run both servers share the same pages, so what one worker alone would have is its RSS
    alone = max(two.model_rss_mb)
    added = (one.model_mb + two.model_mb - max(alone, *one.model_rss_mb)) / alone
    cpu, speed = two.cpu_us / one.cpu_us, two.per_second / one.per_second
    words = (
        f"Further workers add {100 * added:.1f} % of a worker's mapped model memory; with two, processor time of a "
        f"request is {cpu:.2f} × that with one, throughput {speed:.2f} ×."
    )
    return f"{markdown('workers', table)}\n\n{words}"


def _list(values: Sequence[float]) -> str:
    return " + ".join(f"{value:.0f}" for value in values)


if __name__ == "__main__":
    main()
