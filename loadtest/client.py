"""The bundled client: as fast as the server answers, or at a fixed rate whatever it answers (open loop).

    python -m loadtest.client URL --paths FILE [--rate 5000] [--seconds 5]

At a fixed rate a request's time counts from when it was due, so a server that falls behind cannot hide it.
The loop never sleeps: it needs a core of its own.
"""

import argparse
import asyncio
import dataclasses
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import uvloop

from loadtest.result import LoadError, Result
from loadtest.servers import pinned

CONNECTIONS = 16
SETTLE_SECONDS = 0.5
"""Requests that begin in this time are not counted."""
_GRACE = 10.0


class _Connection(asyncio.Protocol):
    """One request at a time; knows of HTTP what uvicorn sends: a status, a length, a body."""

    def __init__(self, run: "_Run") -> None:
        self._run = run
        self._due = 0.0
        self._received = bytearray()
        self._wanted = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._run.is_idle(self)

    def connection_lost(self, _: Exception | None) -> None:
        self._run.failures += not self._run.over

    def ask(self, request: bytes, due: float) -> None:
        self._due, self._wanted = due, 0
        self._received.clear()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        received = self._received
        received += data
        if not self._wanted:
            end = received.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(received[:end]).lower()
            self._wanted = end + 4 + int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(received) >= self._wanted:
            self._run.answered(self._due, received.startswith(b"HTTP/1.1 200"))
            self._run.is_idle(self)


class _Run:
    """One run: what is due, which connections are idle, how long answers took."""

    def __init__(self, requests: Sequence[bytes], seconds: float, rate: float | None, seed: int) -> None:
        self._requests, self._rate = requests, rate
        self._random = random.Random(seed)
        self._idle: deque[_Connection] = deque()
        self._start = time.perf_counter()
        self._count_from, self._end = self._start + SETTLE_SECONDS, self._start + SETTLE_SECONDS + seconds
        self._due = self._start
        self._open = 0
        self.seconds = seconds
        self.times: list[float] = []
        self.failures = 0
        self.over = False

    def is_idle(self, connection: _Connection) -> None:
        self._idle.append(connection)

    def answered(self, due: float, good: bool) -> None:
        self._open -= 1
        if due >= self._count_from:
            self.times.append(time.perf_counter() - due)
            self.failures += not good

    async def go(self) -> None:
        while self._due < self._end or self._open:
            now = time.perf_counter()
            while self._idle and self._due <= now and self._due < self._end:
                self._open += 1
                self._idle.popleft().ask(self._random.choice(self._requests), self._due if self._rate else now)
                self._due = self._due + self._random.expovariate(self._rate) if self._rate else now
            if not self._rate:
                self._due = now
            if now > self._end + _GRACE:
                break
            await asyncio.sleep(0)
        self.failures += self._open
        self.over = True


async def _drive(
    url: str, paths: Sequence[str], seconds: float, rate: float | None, seed: int, n_connections: int
) -> Result:
    host, port = urlsplit(url).hostname or "127.0.0.1", urlsplit(url).port or 80
    requests = [f"GET {path} HTTP/1.1\r\nhost: {host}:{port}\r\n\r\n".encode() for path in paths]
    run = _Run(requests, seconds, rate, seed)
    loop = asyncio.get_running_loop()
    connections = [await loop.create_connection(lambda: _Connection(run), host, port) for _ in range(n_connections)]
    await run.go()
    for transport, _ in connections:
        transport.abort()
    p50, p99 = np.percentile(run.times, [50, 99]) * 1000 if run.times else (0.0, 0.0)
    return Result(len(run.times), run.seconds, float(p50), float(p99), run.failures)


def drive(
    url: str,
    paths: Sequence[str],
    seconds: float,
    seed: int,
    cores: set[int] | None = None,
    rate: float | None = None,
    *,
    connections: int = CONNECTIONS,
) -> Result:
    """Run the client in a process of its own; rate in requests/s, None: as fast as it goes."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(paths))
        file.flush()
        command = [sys.executable, "-m", "loadtest.client", url, "--paths", file.name, "--seconds", str(seconds)]
        command += ["--seed", str(seed), "--connections", str(connections)] + (["--rate", str(rate)] if rate else [])
        done = subprocess.run(pinned(command, cores), capture_output=True, text=True, check=False)
    if done.returncode:
        raise LoadError(f"the client failed (exit status {done.returncode}): {done.stderr}")
    return Result(**json.loads(done.stdout)).checked()


def main() -> None:
    """Run once and print the result as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--paths", type=Path, required=True, help="one path a line, drawn at random")
    parser.add_argument("--rate", type=float, help="requests per second; absent: as fast as answers come")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    args = parser.parse_args()
    paths = args.paths.read_text().splitlines()
    found = uvloop.run(_drive(args.url, paths, args.seconds, args.rate, args.seed, args.connections))
    print(json.dumps(dataclasses.asdict(found)))


if __name__ == "__main__":
    main()
