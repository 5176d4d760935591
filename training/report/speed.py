"""Requests per second and their times, one at a time: in process, and over HTTP on one connection."""

import contextlib
import http.client
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import quote

import numpy as np

from service.generate import Request, generate
from service.ids import Id
from service.mix import MixRequest, mix
from training.errors import DataError
from training.report.bench import Bench
from training.report.model import Chart, Point, Section, Table

MIX = "mix"
_WARM = 20


def speed(bench: Bench) -> list[Section]:
    """Ask for 100 items of many users, each of whom has a history."""
    users = bench.users(100 if bench.quick else 500)
    names = [*sorted(bench.release.cgs), MIX]
    table: Table = {name: _row("in process", _times(_asker(bench, name), users)) for name in names}
    with _serving(bench) as connection:
        for name in names:
            table[name] |= _row("HTTP", _times(_http_asker(connection, name), users))
    fast, slow = (pick(table, key=lambda name: table[name]["HTTP p50, ms"]) for pick in (min, max))
    series = {
        where: [
            Point(x=name, y=row[f"{where} p50, ms"], low=row[f"{where} p50, ms"], high=row[f"{where} p99, ms"])
            for name, row in table.items()
        ]
        for where in ("in process", "HTTP")
    }
    see = (
        f"Over HTTP {fast} takes {table[fast]['HTTP p50, ms']:.2f} ms (median), {slow} "
        f"{table[slow]['HTTP p50, ms']:.2f} ms; dots are medians, whiskers reach to the 99th percentile, and what HTTP "
        f"adds is the distance between the two dots; n = 100, {len(users)} users, one request at a time on one "
        "connection to one worker, the client on the same machine."
    )
    chart = Chart(
        kind="bars", x_label="generator or mix", y_label="milliseconds (logarithmic)", series=series, log_y=True
    )
    return [Section(title="Inference", see=see, table=table, charts=[chart])]


def _row(where: str, seconds: Sequence[float]) -> dict[str, float]:
    return {
        f"{where} requests/s": round(1 / float(np.mean(seconds)), 1),
        f"{where} p50, ms": round(1e3 * float(np.quantile(seconds, 0.5)), 3),
        f"{where} p99, ms": round(1e3 * float(np.quantile(seconds, 0.99)), 3),
    }


def _times(ask: Callable[[Id], object], users: Sequence[Id]) -> list[float]:
    for user in users[:_WARM]:
        ask(user)
    seconds = []
    for user in users:
        started = time.perf_counter()
        ask(user)
        seconds.append(time.perf_counter() - started)
    return seconds


def _asker(bench: Bench, name: str) -> Callable[[Id], object]:
    release = bench.release
    if name == MIX:
        return lambda user: mix(release, MixRequest(user), release.history.lookup(user))
    return lambda user: generate(release, Request(user, name), release.history.lookup(user))


def _http_asker(connection: http.client.HTTPConnection, name: str) -> Callable[[Id], object]:
    def ask(user: Id) -> None:
        path = (
            f"/mix/{quote(str(user), safe='')}" if name == MIX else f"/candidates/{quote(str(user), safe='')}?cg={name}"
        )
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise DataError(f"GET {path}: status {answer.status}: {body[:200]!r}")

    return ask


@contextlib.contextmanager
def _serving(bench: Bench) -> Iterator[http.client.HTTPConnection]:
    """Run the service on the bench's store."""
    command = [sys.executable, "-m", "service", "--store", str(bench.store.root), "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)  # noqa: S603 (our own program)
    try:
        line = process.stderr.readline() if process.stderr else ""
        port = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        if not port:
            raise DataError(f"the service did not start ({line.strip()}); try `python -m service --store …`")
        connection = http.client.HTTPConnection("127.0.0.1", int(port[1]), timeout=60)
        _wait(connection)
        yield connection
        connection.close()
    finally:
        process.terminate()
        process.communicate()


def _wait(connection: http.client.HTTPConnection, seconds: float = 180) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/health/ready")
            answer = connection.getresponse()
            answer.read()
            if answer.status == 200:
                return
        time.sleep(0.2)
    raise DataError(f"the service was not ready after {seconds:.0f} s")
