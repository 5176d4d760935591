"""uvicorn's protocol with additions: answers at once, problems for what is no HTTP request, the gate, draining."""

import asyncio
import math
import os
import time
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service import metrics, problems
from service.drain import Drain
from service.gate import Gate
from service.hot import Headers

GATE, DRAIN, AT_ONCE = "gate", "drain", "at once"
"""In the state of the application's lifespan: what is asked here. Without a gate, everything is let in."""
AtOnce = Callable[[Any], tuple[Headers, bytes] | None]
"""ASGI scope → headers and content of an answer 200 that needs no waiting; None: ask the application."""
_NEVER_REFUSED = (b"/health/", b"/metrics")
_CLOSE = "connection: close\r\n"
_MOST_PASSED = 8
_LONGEST_TURN = 0.0005
"""Seconds of requests that are answered at once; the first answer waits for the last one's."""
_MOST_HEADER_BYTES = 64 * 1024
_MOST_HEADERS = 100
_BODY = (b"content-length", b"transfer-encoding")


class Turns:
    """Starts few requests in a turn of the event loop, so that the loop reads sockets between them.

    Requests that are answered at once share a turn until it has lasted a while, which saves the loop's own work and
    lets their answers leave together; of those whose end is not known a turn starts one. While others wait, turns in
    which something arrived are followed by some without a request: the loop accepts one connection a turn, and
    callers that are to be refused should not have to wait for that.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[tuple[Protocol, RequestResponseCycle, Any]] = deque()
        self._begun = False
        self._spent = 0.0
        """Seconds of this turn."""
        self._arrived = False
        self._passed = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, protocol: "Protocol", cycle: RequestResponseCycle, app: Any) -> None:
        """Start a request now if this turn has time, else as soon as one has."""
        if not self._begun:
            self._begun = True
            self._loop.call_soon(self._next)
        if self._waiting or self._spent >= _LONGEST_TURN:
            self._waiting.append((protocol, cycle, app))
        else:
            self._spent += protocol.start(cycle, app)

    def note_arrival(self) -> None:
        """Say that a connection or a request has come in this turn."""
        self._arrived = True

    def _next(self) -> None:
        """Begin a turn."""
        self._spent = 0.0
        if not self._waiting:
            self._begun = False
            return
        self._loop.call_soon(self._next)
        if self._arrived and self._passed < _MOST_PASSED:
            self._arrived = False
            self._passed += 1
            self._spent = _LONGEST_TURN
            return
        self._passed = 0
        while self._waiting and self._spent < _LONGEST_TURN:
            protocol, cycle, app = self._waiting.popleft()
            if not cycle.disconnected:  # else nobody waits for this one any more
                self._spent += protocol.start(cycle, app)


class Protocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._gate: Gate | None = self.app_state.get(GATE)
        self._drain: Drain | None = self.app_state.get(DRAIN)
        self._at_once: AtOnce | None = self.app_state.get(AT_ONCE)
        turns = getattr(self.server_state, "turns", None)
        if turns is None:
            turns = self.server_state.turns = Turns(self.loop)  # type: ignore[attr-defined]
        self._turns: Turns = turns
        self._refused = False
        self._header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Note that there may be more to accept."""
        self._turns.note_arrival()
        super().connection_made(transport)

    def on_message_begin(self) -> None:
        """Count headers anew."""
        self._header_bytes = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, within limits; the parser turns what is raised into `send_400_response`."""
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > _MOST_HEADER_BYTES or len(self.headers) >= _MOST_HEADERS:
            raise ValueError("headers too large")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Let a request in, or refuse it."""
        self._refused = False
        self._turns.note_arrival()
        if self._gate and self._gate.shut(len(self.tasks) + len(self._turns)) and self._may_refuse():
            self._refused = True
            self._refuse()
            return
        self.scope["state"][metrics.ARRIVED] = time.perf_counter()
        super().on_headers_complete()
        if self._drain and self._drain.begun:
            self.cycle.keep_alive = False  # the next request had better go elsewhere

    def on_body(self, body: bytes) -> None:
        """Drop the body of a refused request."""
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Nothing is to be done for a refused request."""
        if not self._refused:
            super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if self._gate is None:
            self.start(cycle, app)
        else:
            self._turns.take(self, cycle, app)

    def start(self, cycle: RequestResponseCycle, app: Any) -> float:
        """Run a request whose turn it is; return its seconds, infinite if it has only begun."""
        begun = time.perf_counter()
        if self._answers_at_once(cycle):
            if self._gate:
                self._gate.answered(len(self.tasks) + len(self._turns))
            return time.perf_counter() - begun
        task = self.loop.create_task(cycle.run_asgi(app))
        task.add_done_callback(self._answered)
        self.tasks.add(task)
        return math.inf

    def _answers_at_once(self, cycle: RequestResponseCycle) -> bool:
        """Write the answer of a request that needs no waiting, if nothing else is special about it."""
        if self._at_once is None or not cycle.keep_alive or cycle.waiting_for_100_continue or self.flow.write_paused:
            return False
        if self._drain and self._drain.begun:
            return False
        answer = self._at_once(cycle.scope)
        if answer is None:
            return False
        headers, content = answer
        lines = [b"%b: %b\r\n" % header for header in (*cycle.default_headers, *headers)]
        self.transport.write(b"HTTP/1.1 200 OK\r\n%b\r\n%b" % (b"".join(lines), content))
        cycle.response_started = cycle.response_complete = True
        self.on_response_complete()
        return True

    def _answered(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if self._gate:
            self._gate.answered(len(self.tasks) + len(self._turns))

    def _may_refuse(self) -> bool:
        """Probes are answered always; one that follows another on its connection waits there anyway."""
        busy = self.cycle is not None and not self.cycle.response_complete
        return not busy and not self.url.startswith(_NEVER_REFUSED)

    def _refuse(self) -> None:
        metrics.count("shed", ("overload",))
        has_body = any(name in _BODY for name, _ in self.headers)
        close = has_body or not self.parser.should_keep_alive() or self.parser.get_http_version() == "1.0"
        self._write(
            503,
            problems.OVERLOADED,
            "this worker has as much work waiting as it can do in time; retry later, or ask another",
            close=close,
        )
        if not close:
            self.on_response_complete()  # waits for the next request, as after any answer

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are no HTTP request, or a URL above the parser's 64 KB, and hang up."""
        if self._header_bytes > _MOST_HEADER_BYTES or len(self.headers or ()) >= _MOST_HEADERS:
            detail = f"at most {_MOST_HEADERS} headers of {_MOST_HEADER_BYTES} bytes together are accepted; send less"
            self._write(431, HTTPStatus(431).phrase, detail, close=True)
            return
        detail = f"{msg} Not HTTP, or a URL of more than 64 KB: send long lists by POST."
        self._write(400, "Bad Request", detail, close=True)

    def _write(self, status: int, title: str, detail: str, close: bool) -> None:
        request_id = os.urandom(12).hex()
        content = orjson.dumps(problems.bare(status, title, detail, request_id))
        retry = f"retry-after: {problems.RETRY_SECONDS}\r\n" if status == 503 else ""
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
            f"content-type: {problems.MEDIA_TYPE}\r\n"
            f"content-length: {len(content)}\r\n"
            f"x-request-id: {request_id}\r\n"
            f"{retry}{_CLOSE if close else ''}\r\n"
        )
        self.transport.write(head.encode() + content)
        if close:
            self.transport.close()
