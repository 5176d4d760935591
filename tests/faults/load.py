"""A load generator that costs little: bare HTTP/1.1 on kept connections; open loop (a rate) or closed (callers)."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field

import uvloop


@dataclass
class Result:
    """What came back."""

    seconds: float = 0.0
    statuses: Counter = field(default_factory=Counter)
    """By status; "failed" for resets, refused connections and time-outs."""
    latencies: dict = field(default_factory=dict)
    """Status → seconds from when the request was due to its answer."""
    releases: Counter = field(default_factory=Counter)
    errors: list = field(default_factory=list)

    def note(self, status, latency):
        self.statuses[status] += 1
        self.latencies.setdefault(status, []).append(latency)

    def good(self, deadline):
        """200s a second within a deadline."""
        return sum(latency <= deadline for latency in self.latencies.get(200, ())) / self.seconds

    def quantile(self, status, share):
        found = sorted(self.latencies.get(status, [0.0]))
        return found[min(int(share * len(found)), len(found) - 1)]


class Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self):
        self.transport = None
        self._answer = None
        self._seen = b""
        self.closed = False

    def connection_made(self, transport):
        self.transport = transport

    def ask(self, request):
        self._answer = asyncio.get_running_loop().create_future()
        self._seen = b""
        self.transport.write(request)
        return self._answer

    def data_received(self, data):
        self._seen += data
        head, found, body = self._seen.partition(b"\r\n\r\n")
        if not found:
            return
        lower = head.lower()
        length = int(lower.partition(b"content-length: ")[2].split(b"\r\n")[0])
        if len(body) >= length and self._answer is not None and not self._answer.done():
            if b"connection: close" in lower:
                self.closed = True
                self.transport.close()
            self._answer.set_result((int(head[9:12]), head, body))

    def connection_lost(self, error):
        self.closed = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError("closed while a request was in flight"))


class Client:
    """A pool of connections to one address."""

    def __init__(self, port, most=2000):
        self._port, self._most, self._open, self._idle = port, most, 0, []

    async def ask(self, path, timeout=10.0, close=False):
        """Return (status, head, body); raises OSError or TimeoutError."""
        connection = await self._connection()
        request = f"GET {path} HTTP/1.1\r\nHost: x\r\n{'Connection: close' + chr(13) + chr(10) if close else ''}\r\n"
        try:
            async with asyncio.timeout(timeout):
                answer = await connection.ask(request.encode())
        except BaseException:
            self._drop(connection)
            raise
        if connection.closed:
            self._drop(connection)
        else:
            self._idle.append(connection)
        return answer

    async def _connection(self):
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                return connection
            self._open -= 1
        if self._open >= self._most:
            raise ConnectionError(f"more than {self._most} connections")
        self._open += 1
        try:
            _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", self._port)
        except BaseException:
            self._open -= 1
            raise
        return connection

    async def close(self):
        for connection in self._idle:
            connection.transport.close()
        await asyncio.sleep(0.05)  # the loop must see them closed before it is closed itself

    def _drop(self, connection):
        self._open -= 1
        connection.transport.close()


async def _one(client, path, due, result):
    try:
        status, _, _ = await client.ask(path)
        result.note(status, time.perf_counter() - due)
    except (OSError, TimeoutError) as error:
        result.statuses["failed"] += 1
        result.errors.append(repr(error))


async def _open_loop(port, paths, rate, seconds):
    client, result, tasks = Client(port), Result(seconds=seconds), set()
    start = time.perf_counter()
    for number in range(int(rate * seconds)):
        due = start + number / rate
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        elif number % 64 == 0:
            await asyncio.sleep(0)
        task = asyncio.ensure_future(_one(client, paths[number % len(paths)], due, result))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    result.seconds = time.perf_counter() - start
    await asyncio.gather(*tasks)
    await client.close()
    return result


async def _closed_loop(port, paths, callers, seconds, go_on):
    client, result = Client(port), Result()
    start = time.perf_counter()
    end = start + seconds

    async def call(number):
        while time.perf_counter() < end and go_on():
            number += callers
            await _one(client, paths[number % len(paths)], time.perf_counter(), result)

    await asyncio.gather(*(call(number) for number in range(callers)))
    result.seconds = time.perf_counter() - start
    await client.close()
    return result


def open_loop(port, paths, rate, seconds) -> Result:
    """Ask `rate` times a second, whatever comes back."""
    return uvloop.run(_open_loop(port, paths, rate, seconds))


def closed_loop(port, paths, callers, seconds, go_on=lambda: True) -> Result:
    """Ask from so many callers, each when it has its answer."""
    return uvloop.run(_closed_loop(port, paths, callers, seconds, go_on))
