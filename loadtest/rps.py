"""Requests per second of the service as a ratio to a framework that answers a constant: same run, same settings.

    python -m loadtest.rps --store DIR [--cases ease,slim,mix] [--rounds 5] [--seconds 3] [--json FILE]

The floor is a FastAPI route with a typed path and two query parameters that returns a constant body of the
service's size; `asgi` a bare callable that returns the same. All servers run with the service's own uvicorn
settings, one process each, on core 0; the client (wrk if there is one, else the bundled one) on core 1, 16
connections. Each round drives every server in turn with users drawn uniformly from the release; a ratio is
the median of the rounds' ratios. "CPU" is the server's processor time per request, which noise on the machine
disturbs least. The service's overload gate is set so that it refuses nobody. p99 is taken open-loop at 70 % of a
case's peak (--share), of the floor at that same rate: the median of the rounds' p99s, since one pause of 20 ms is a
hundredth of two seconds. Each round takes the peak anew: 70 % of that of a quiet minute is more than a loud one allows.
"""

import argparse
import contextlib
import json
import sys
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

from loadtest import client, paths, servers, wrk
from loadtest.result import Result
from loadtest.servers import CLIENT_CORE, SERVER_CORE, Server
from service.release_manifest import DATA, MIXIGEN, POPULAR
from service.store import Store

SAMPLE = 5000
SHARE_OF_PEAK = 0.7
MIX = "mix"
FLOOR, ASGI = "floor", "asgi"


@dataclass(frozen=True)
class Case:
    """One thing to be measured: a name, a server, and what it is asked."""

    name: str
    server: Server
    paths: Sequence[str]


@dataclass(frozen=True)
class Shot:
    """One case in one round."""

    result: Result
    cpu_us: float


@dataclass(frozen=True)
class Row:
    """One case over all rounds."""

    name: str
    per_second: float
    ratio: float
    cpu_us: float
    cpu_ratio: float
    p99_ms: float | None = None
    floor_p99_ms: float | None = None
    recall: tuple[float, float] | None = None
    """At 10 and 50, as the release's manifest has it."""


def main() -> None:
    """Measure and print."""
    args = _arguments()
    names = args.cases or cases_of(args.store)
    rows = measure(args.store, names, args.n, args.rounds, args.seconds, args.share if args.tail else 0)
    print(table(rows, args.share))
    if args.json:
        text = json.dumps([asdict(row) for row in rows], indent=1)
        sys.stdout.write(text) if args.json == "-" else Path(args.json).write_text(text)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, default=Path("models_store"))
    parser.add_argument("--cases", type=lambda text: text.split(","), help="generators and mix; default: all")
    parser.add_argument("--n", type=int, default=100, help="items of an answer")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of one case in one round")
    parser.add_argument("--no-tail", dest="tail", action="store_false", help="leave p99 out")
    parser.add_argument("--share", type=float, default=SHARE_OF_PEAK, help="of its peak, at which p99 is taken")
    parser.add_argument("--json", help="file, or - for standard output")
    return parser.parse_args()


def cases_of(store: Path) -> list[str]:
    """Return the generators of the store's current release, and mix."""
    artifacts = Store(store).release().artifacts
    return [*sorted({POPULAR, *artifacts} - {DATA, MIXIGEN}), MIX]


def measure(store: Path, names: Sequence[str], n: int, rounds: int, seconds: float, share: float) -> list[Row]:
    """Start everything, drive it in turn, sum it up; share: of a case's peak at which p99 is taken, 0: not at all."""
    users = paths.sample(paths.users_of(store), SAMPLE, seed=0)
    asked = {name: [_path(name, user, n) for user in users] for name in names}
    with contextlib.ExitStack() as running:
        served = running.enter_context(servers.service(store, {SERVER_CORE}))
        size = round(mean(_size(served.url, some[i]) for some in asked.values() for i in range(20)))
        floors = [
            Case(name, running.enter_context(_floor(app, size)), [_path(POPULAR, user, n) for user in users])
            for name, app in ((FLOOR, "fastapi"), (ASGI, "asgi"))
        ]
        cases = [*floors, *(Case(name, served, asked[name]) for name in names)]
        for case in cases:
            _drive(case, min(1.0, seconds), seed=0)
        shots = [{case.name: _drive(case, seconds, seed) for case in cases} for seed in range(1, rounds + 1)]
        rows = [_row(case.name, shots, _recall(store, case.name)) for case in cases]
        return [
            _with_tail(case, row, cases[0], rounds, seconds, share) if share else row
            for case, row in zip(cases, rows, strict=True)
        ]


def _path(name: str, user: Any, n: int) -> str:
    return paths.mix(user, f"n={n}") if name == MIX else paths.candidates(user, f"cg={name}&n={n}")


def _floor(app: str, size: int) -> contextlib.AbstractContextManager[Server]:
    return servers.running("loadtest.floor", "--app", app, "--bytes", str(size), cores={SERVER_CORE})


def _size(url: str, path: str) -> int:
    with urllib.request.urlopen(url + path) as answer:
        return len(answer.read())


def _drive(case: Case, seconds: float, seed: int) -> Shot:
    drive = wrk.drive if wrk.installed() else client.drive
    before = case.server.cpu_seconds()
    result = drive(case.server.url, case.paths, seconds, seed, {CLIENT_CORE})
    return Shot(result, (case.server.cpu_seconds() - before) / result.requests * 1e6)


def _row(name: str, shots: Sequence[dict[str, Shot]], recall: tuple[float, float] | None) -> Row:
    return Row(
        name,
        median(shot[name].result.per_second for shot in shots),
        median(shot[name].result.per_second / shot[FLOOR].result.per_second for shot in shots),
        median(shot[name].cpu_us for shot in shots),
        median(shot[FLOOR].cpu_us / shot[name].cpu_us for shot in shots),
        recall=recall,
    )


def _with_tail(case: Case, row: Row, floor: Case, rounds: int, seconds: float, share: float) -> Row:
    """Add the medians over rounds: a case's peak, its p99 at a share of that, the floor's, if it can follow."""
    asked = [case, floor] if row.ratio <= 1 else [case]
    tails: list[list[float]] = []
    for seed in range(1, rounds + 1):
        rate = share * _drive(case, seconds, seed).result.per_second
        found = [client.drive(each.server.url, each.paths, seconds, seed, {CLIENT_CORE}, rate) for each in asked]
        tails.append([one.p99_ms for one in found])
    own, *floors = (median(part) for part in zip(*tails, strict=True))
    return Row(**{**asdict(row), "p99_ms": own, "floor_p99_ms": floors[0] if floors else None})


def _recall(store: Path, name: str) -> tuple[float, float] | None:
    """Return recall@10 and @50 from the metrics that the pipeline wrote, None if it did not."""
    for metrics in Store(store).release().metrics.values():
        if isinstance(metrics, dict) and name in metrics:
            return metrics[name]["recall@10"], metrics[name]["recall@50"]
    return None


def table(rows: Sequence[Row], share: float = SHARE_OF_PEAK) -> str:
    """Return the rows as Markdown."""
    tail = f"p99 ms at {share:.0%} | floor's".replace("%", " %")
    lines = [f"| case | requests/s | × floor | CPU µs | CPU, × floor | {tail} | recall@10 / @50 |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for row in rows:
        tail = [f"{value:.2f}" if value else "" for value in (row.p99_ms, row.floor_p99_ms)]
        recall = "{:.4f} / {:.4f}".format(*row.recall) if row.recall else ""
        speed = f"{row.per_second:,.0f} | {row.ratio:.2f} | {row.cpu_us:.0f} | {row.cpu_ratio:.2f}"
        lines.append(f"| {row.name} | {speed} | {' | '.join(tail)} | {recall} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
