"""How request time, memory and load time grow with catalogue, users, history and n, on synthetic releases.

    python -m loadtest.scale [--quick] [--folder DIR] [--largest-graph 1000000] [--json FILE]

In process, without HTTP, each release in a process of its own: microseconds of the clock and of the processor for
each generator and for the mix (rrf), medians over users; "folded in" is a history that the request brings. `ease` is
measured where a dense matrix fits, `ann` (the vectors of a BPR in an hnsw graph) where its graph is made. Releases
stay in --folder for the next run; up to 8 GB of disk and 6 of memory, some minutes without them.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from typing import Any

from loadtest.memory import memory_mb
from loadtest.synthetic import Size, history_lengths, publish
from service.fill import fill_up
from service.generate import Request, make_query
from service.mix import MixRequest, mix
from service.registry import Release, load
from service.rehearsal import compile_kernels
from service.store import Store
from training.tables import markdown

BASE = Size(items=10_000, users=10_000, graph=True)
SIZES = (
    BASE,
    Size(items=100_000, users=10_000, graph=True, dense=False),
    Size(items=1_000_000, users=10_000, graph=True, dense=False),
    Size(items=10_000, users=1_000_000, dense=False),
    Size(items=10_000, users=10_000_000, dense=False),
)
QUICK_SIZES = (Size(items=1000, users=300, graph=True), Size(items=2000, users=300, dense=False))
HISTORIES, NS = (0, 10, 100, 1000), (10, 100, 1000)
USUAL = 100
"""Length of the history, and n, where the other one is varied."""
SECONDS = 2.0
"""One cell is measured for no longer than that, with at least MIN_REQUESTS."""
MIN_REQUESTS = 5
Rows = list[dict[str, Any]]


def main() -> None:
    """Make what is missing, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="keep the releases here; default: a temporary folder")
    parser.add_argument("--largest-graph", type=int, default=1_000_000, help="items of the largest catalogue with ann")
    parser.add_argument("--most-users", type=int, default=10_000_000, help="leave larger releases out")
    parser.add_argument("--quick", action="store_true", help="small releases, to try the command out")
    parser.add_argument("--json", type=Path, help="file for all numbers")
    parser.add_argument("--only", type=Path, help=argparse.SUPPRESS)  # one store, in the process of its own
    parser.add_argument("--all-cells", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        print(json.dumps(measure(args.only, args.all_cells)))
        return
    sizes = [
        replace(size, graph=size.graph and size.items <= args.largest_graph)
        for size in (QUICK_SIZES if args.quick else SIZES)
        if size.users <= args.most_users
    ]
    with tempfile.TemporaryDirectory(prefix="candgen-scale-") as temporary:
        found = run(args.folder or Path(temporary), sizes)
    print(report(found))
    if args.json:
        args.json.write_text(json.dumps(found, indent=1))


def run(folder: Path, sizes: Sequence[Size]) -> list[dict[str, Any]]:
    """Measure a release of each size; of the first all histories and n."""
    found = []
    for size in sizes:
        root = folder / f"{size.items}x{size.users}{'-graph' if size.graph else ''}"
        if not (root / "CURRENT").exists():
            print(f"writing {size}", file=sys.stderr, flush=True)
            publish(root, size)
        command = [sys.executable, "-m", "loadtest.scale", "--only", str(root)]
        print(f"measuring {size}", file=sys.stderr, flush=True)
        done = subprocess.run(
            command + ["--all-cells"] * (size is sizes[0]), stdout=subprocess.PIPE, text=True, check=True
        )
        found.append({**asdict(size), **json.loads(done.stdout)})
    return found


def measure(root: Path, all_cells: bool) -> dict[str, Any]:
    """Load the release of a store and time its generators; the process's memory before and after."""
    compile_kernels()
    before, store = memory_mb(), Store(root)
    seconds = []
    for _ in range(2):  # the second time its files are known to be good
        started = time.perf_counter()
        release = load(store)
        seconds.append(time.perf_counter() - started)
    loaded = memory_mb()
    return {
        "bytes": sum(manifest.bytes for manifest in release.artifacts.values()),
        "load_seconds": seconds[0],
        "load_again_seconds": seconds[1],
        "own_mb": loaded.own - before.own,
        "mapped_mb": loaded.mapped - before.mapped,
        "cells": list(_cells(release, all_cells)),
    }


def _cells(release: Release, all_cells: bool) -> Iterator[dict[str, Any]]:
    lengths = history_lengths(Size(len(release.items), len(release.users)))
    shapes = [(USUAL, USUAL)]
    if all_cells:
        shapes += [(history, USUAL) for history in HISTORIES if history != USUAL]
        shapes += [(USUAL, n) for n in NS if n != USUAL]
    names = [(name, False) for name in (*release.cgs, "mix")]
    names += [(name, True) for name in ("als", "bpr")]
    for history, n in shapes:
        users = [user for user, length in enumerate(lengths) if length == history]
        for name, folded in names if users else []:
            wall, cpu = _time(release, name, users, n, folded)
            label = f"{name}, folded in" if folded else name
            yield {"cg": label, "history": history, "n": n, "wall_us": wall, "cpu_us": cpu}


def _time(release: Release, name: str, users: Sequence[int], n: int, folded: bool) -> tuple[float, float]:
    """Return median microseconds of a request, of the clock and of the processor."""
    _answer(release, name, users[0], n, folded)
    wall, cpu, end = [], [], time.perf_counter() + SECONDS
    for user in users:
        started, used = time.perf_counter(), time.process_time()
        _answer(release, name, user, n, folded)
        cpu.append(time.process_time() - used)
        wall.append(time.perf_counter() - started)
        if started > end and len(wall) >= MIN_REQUESTS:
            break
    return 1e6 * median(wall), 1e6 * median(cpu)


def _answer(release: Release, name: str, user: int, n: int, folded: bool) -> None:
    stored = release.history.lookup(user)
    if name == "mix":
        mix(release, MixRequest(user, n=n), stored)
        return
    query, _ = make_query(release, Request(user, name, n), stored)
    query = replace(query, history_given=folded)
    fill_up(release.cg(name).rank(query).top(n), n, query.filters, release.popular)


def report(found: Rows) -> str:
    """Return all tables as Markdown."""
    base = found[0]
    catalogues = [one for one in found if one["users"] == base["users"]]
    users = [one for one in found if one["items"] == base["items"]]
    varied = f"history {USUAL}, n {USUAL}"
    parts = {
        "Releases": markdown("items × users", {_label(one): _load_row(one) for one in found}),
        f"Catalogue ({varied})": _pivot(catalogues, lambda one, _: f"{one['items']:,} items", (USUAL,), (USUAL,)),
        f"Users ({varied})": _pivot(users, lambda one, _: f"{one['users']:,} users", (USUAL,), (USUAL,)),
        f"History ({_label(base)}, n {USUAL})": _pivot([base], lambda _, c: f"{c['history']}", HISTORIES, (USUAL,)),
        f"n ({_label(base)}, history {USUAL})": _pivot([base], lambda _, c: f"n = {c['n']}", (USUAL,), NS),
    }
    return "\n\n".join(f"### {title}\n\n{table}" for title, table in parts.items())


def _label(one: dict[str, Any]) -> str:
    return f"{one['items']:,} × {one['users']:,}"


def _load_row(one: dict[str, Any]) -> dict[str, object]:
    return {
        "GB": f"{one['bytes'] / 1e9:.2f}",
        "load, s": f"{one['load_seconds']:.2f}",
        "known to be good, s": f"{one['load_again_seconds']:.2f}",
        "own memory, MB": f"{one['own_mb']:.0f}",
        "mapped, MB": f"{one['mapped_mb']:.0f}",
    }


def _pivot(found: Rows, column: Any, histories: Sequence[int], ns: Sequence[int]) -> str:
    """Lay out microseconds, clock / processor, by generator and what is varied."""
    rows: dict[str, dict[str, object]] = {}
    for one in found:
        for cell in sorted(one["cells"], key=lambda cell: (cell["history"], cell["n"])):
            if cell["history"] in histories and cell["n"] in ns:
                text = f"{cell['wall_us']:,.0f} / {cell['cpu_us']:,.0f}"
                rows.setdefault(cell["cg"], {})[column(one, cell)] = text
    return markdown("µs, clock / processor", rows)


if __name__ == "__main__":
    main()
