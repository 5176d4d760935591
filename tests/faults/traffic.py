"""Requests from many connections while something goes wrong; every answer is looked at.

Connections are kept alive and may send several requests at once, so that a client in Python is no brake.
"""

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Seen:
    """What a run of traffic has seen."""

    answered: int = 0
    lost: int = 0
    """Requests that were in flight when their connection broke."""
    refused: int = 0
    """Connections that could not be made."""
    statuses: Counter = field(default_factory=Counter)
    releases: Counter = field(default_factory=Counter)
    degraded: int = 0
    wrong: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    """Of the connections that send one request at a time."""

    def p99_ms(self) -> float:
        return float(np.percentile(self.seconds, 99) * 1000) if self.seconds else 0.0


class Traffic:
    """Runs in a thread of its own until it is stopped."""

    def __init__(
        self,
        port: int,
        paths: Sequence[str],
        check: Callable[[str, dict], str | None] = lambda path, answer: None,
        connections: int = 4,
        depth: int = 8,
        pause: float = 0.0,
    ) -> None:
        self.seen = Seen()
        self._port, self._paths, self._check = port, paths, check
        self._connections, self._depth, self._pause = connections, depth, pause
        self._stop = False
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> "Traffic":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop = True
        self._thread.join()

    def wait_for(self, answered: int) -> None:
        """Wait for so many answers more."""
        end = self.seen.answered + answered
        while self.seen.answered < end and not self.seen.wrong:
            time.sleep(0.02)

    async def _run(self) -> None:
        depths = [1] + [self._depth] * (self._connections - 1)
        await asyncio.gather(*(self._connection(place, depth) for place, depth in enumerate(depths)))

    async def _connection(self, place: int, depth: int) -> None:
        paths = self._endless(place)
        while not self._stop:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError:
                self.seen.refused += 1
                await asyncio.sleep(0.01)
                continue
            try:
                while not self._stop:
                    await self._exchange(reader, writer, [next(paths) for _ in range(depth)])
                    await asyncio.sleep(self._pause)
            except (OSError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

    def _endless(self, place: int) -> Iterator[str]:
        while True:
            yield from self._paths[place:]
            yield from self._paths[:place]

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, paths: Sequence[str]) -> None:
        start, left = time.perf_counter(), len(paths)
        try:
            writer.write(b"".join(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode() for path in paths))
            for path in paths:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                body = await reader.readexactly(length)
                left -= 1
                self._look_at(path, head, body)
        finally:
            self.seen.lost += left
        if len(paths) == 1:
            self.seen.seconds.append(time.perf_counter() - start)

    def _look_at(self, path: str, head: bytes, body: bytes) -> None:
        seen = self.seen
        seen.answered += 1
        status = int(head[9:12])
        seen.statuses[status] += 1
        if status != 200:
            seen.wrong.append(f"{path}: {status} {body[:200]!r}")
            return
        answer = json.loads(body)
        seen.releases[answer["release"]] += 1
        seen.degraded += bool(answer["degraded"])
        named = head.lower().partition(b"x-model-release: ")[2].partition(b"\r\n")[0].decode()
        fault = self._check(path, answer)
        if named != answer["release"].lower() or fault:
            seen.wrong.append(f"{path}: {fault or named}: {body[:300]!r}")


class SameAnswers:
    """Checks that a release answers a path always alike: so no answer is made of two releases."""

    def __init__(self) -> None:
        self._bodies: dict[tuple[str, str], dict] = {}

    def __call__(self, path: str, answer: dict) -> str | None:
        first = self._bodies.setdefault((answer["release"], path), answer)
        return None if first == answer else f"another answer than before: {first}"

    def differ(self) -> bool:
        """Whether releases answer differently at all."""
        by_path: dict[str, set[str]] = {}
        for (_, path), answer in self._bodies.items():
            by_path.setdefault(path, set()).add(json.dumps(answer["items"]))
        return any(len(bodies) > 1 for bodies in by_path.values())
