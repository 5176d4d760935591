"""The bundled client: as fast as the server answers, or at a fixed rate whatever it answers (open loop).

    python -m loadtest.client URL --paths FILE [--rate 5000] [--seconds 5]

At a fixed rate a request's time counts from when it was due, so a server that falls behind cannot hide it.
Between requests the client sleeps: two virtual cores are often two threads of one, and a loop that spins on one of
them takes a tenth to a third of the other's speed.
"""

import argparse
import dataclasses
import gc
import json
import random
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from loadtest.result import LoadError, Result
from loadtest.servers import pinned

CONNECTIONS = 16
SETTLE_SECONDS = 0.5
"""Requests that begin in this time are not counted."""
_GRACE = 10.0
_PIECE = 1 << 18


class _Connection:
    """One request at a time; knows of HTTP what uvicorn sends: a status, a length, a body."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = bytearray()
        self._wanted = 0
        self.due = 0.0

    def fileno(self) -> int:
        return self._socket.fileno()

    def ask(self, request: bytes, due: float) -> None:
        self.due, self._wanted = due, 0
        self._received.clear()
        self._socket.sendall(request)

    def read(self) -> bool | None:
        """Read what has come; return whether the answer is 200, None: there is more to come."""
        piece = self._socket.recv(_PIECE)
        if not piece:
            raise ConnectionError("closed by the server")
        received = self._received
        received += piece
        if not self._wanted:
            end = received.find(b"\r\n\r\n")
            if end < 0:
                return None
            head = bytes(received[:end]).lower()
            self._wanted = end + 4 + int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        return received.startswith(b"HTTP/1.1 200") if len(received) >= self._wanted else None

    def close(self) -> None:
        self._socket.close()


class _Run:
    """One run: what is due, which connections are idle, how long answers took."""

    def __init__(self, requests: Sequence[bytes], seconds: float, rate: float | None, seed: int) -> None:
        self._requests, self._rate = requests, rate
        self._random = random.Random(seed)
        self._idle: deque[_Connection] = deque()
        self._busy: list[_Connection] = []
        self._start = time.perf_counter()
        self._count_from, self._end = self._start + SETTLE_SECONDS, self._start + SETTLE_SECONDS + seconds
        self._due = self._start
        self.seconds = seconds
        self.times: list[float] = []
        self.failures = 0

    def go(self, connections: Sequence[_Connection]) -> None:
        self._idle.extend(connections)
        while True:
            now = time.perf_counter()
            self._ask_what_is_due(now)
            over = self._due >= self._end
            if now > self._end + _GRACE or not (self._busy or (self._idle and not over)):
                break
            # a timeout of select counts microseconds, one of epoll milliseconds
            until = self._due if self._idle and not over else self._end + _GRACE
            for connection in select.select(self._busy, (), (), max(0.0, until - now))[0]:
                self._read(connection)
        self.failures += len(self._busy)

    def _ask_what_is_due(self, now: float) -> None:
        if not self._rate:
            self._due = now
        while self._idle and self._due <= now and self._due < self._end:
            connection = self._idle.popleft()
            try:
                connection.ask(self._random.choice(self._requests), self._due)
                self._busy.append(connection)
            except OSError:
                self.failures += 1
            if self._rate:
                self._due += self._random.expovariate(self._rate)

    def _read(self, connection: _Connection) -> None:
        try:
            good = connection.read()
        except OSError:
            self._busy.remove(connection)
            self.failures += 1
            return
        if good is not None:
            self._busy.remove(connection)
            self._idle.append(connection)
            if connection.due >= self._count_from:
                self.times.append(time.perf_counter() - connection.due)
                self.failures += not good


def run(
    url: str, paths: Sequence[str], seconds: float, rate: float | None, seed: int, n_connections: int = CONNECTIONS
) -> Result:
    """Ask in this process, and say how it went; see `drive`."""
    host, port = urlsplit(url).hostname or "127.0.0.1", urlsplit(url).port or 80
    requests = [f"GET {path} HTTP/1.1\r\nhost: {host}:{port}\r\n\r\n".encode() for path in paths]
    connections = [_Connection(host, port) for _ in range(n_connections)]
    one = _Run(requests, seconds, rate, seed)
    one.go(connections)
    for connection in connections:
        connection.close()
    p50, p99 = np.percentile(one.times, [50, 99]) * 1000 if one.times else (0.0, 0.0)
    return Result(len(one.times), one.seconds, float(p50), float(p99), one.failures)


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
    gc.disable()
    found = run(args.url, paths, args.seconds, args.rate, args.seed, args.connections)
    print(json.dumps(dataclasses.asdict(found)))


if __name__ == "__main__":
    main()
