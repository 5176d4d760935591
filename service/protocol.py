"""uvicorn's protocol with additions: answers at once, problems for what is no HTTP request, the gate, draining."""

import asyncio
import dataclasses
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service import metrics, problems
from service.drain import Drain
from service.gate import Gate
from service.hot import Headers, Written, new_request_id
from service.record import record

GATE, DRAIN, AT_ONCE = "gate", "drain", "at once"
"""In the state of the application's lifespan: what is asked here. Without a gate, everything is let in; AT_ONCE takes
ASGI scopes and gives for each, by its place, an answer that needs no waiting, or None: ask the application."""
_NEVER_REFUSED = (b"/health/", b"/metrics")
_CLOSE = "connection: close\r\n"
_MOST_PASSED = 32
"""Turns without a request, at most, after one with some: a turn accepts one connection."""
_MOST_TOGETHER, _LONGEST_TURN = 16, 0.016
"""Requests that are answered together, and about how many seconds that may take: meanwhile nobody is refused. The first
waits for the last, but the last waits less than if each were answered alone."""
_WEIGHT = 0.1
_MOST_HEADER_BYTES = 64 * 1024
_MOST_HEADERS = 100
_BODY = (b"content-length", b"transfer-encoding")


class Turns:
    """Starts few requests in a turn of the event loop, so that the loop reads sockets between them.

    Requests that came in the same turn, and can be answered at once, are answered together: that saves the loop's own
    work, and each step of an answer takes less when it is taken for several. Of those whose end is not known a turn
    starts one. While more wait than a turn takes, turns in which something arrived are followed by some without a
    request: the loop accepts one connection a turn, and callers that are to be refused should not wait for that.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[Started] = deque()
        self._begun = False
        self._each = 0.0
        """Seconds that an answer took, about."""
        self._arrived = False
        self._passed = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, started: "Started") -> None:
        """Have a request started as soon as a turn has time for it."""
        self._waiting.append(started)
        if not self._begun:
            self._begun = True
            self._loop.call_soon(self._next)

    def note_arrival(self) -> None:
        """Say that a connection or a request has come in this turn."""
        self._arrived = True

    def _next(self) -> None:
        """Begin a turn."""
        if not self._waiting:
            self._begun = False
            return
        self._loop.call_soon(self._next)
        most = max(1, min(_MOST_TOGETHER, int(_LONGEST_TURN / self._each) if self._each else 1))
        if self._arrived and len(self._waiting) > most and self._passed < _MOST_PASSED:
            self._arrived = False
            self._passed += 1
            return
        self._passed = 0
        begun = time.perf_counter()
        taken = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        self._start([one for one in taken if not one.cycle.disconnected])  # nobody waits for the others any more
        self._each += _WEIGHT * ((time.perf_counter() - begun) / len(taken) - self._each)

    def _start(self, taken: list["Started"]) -> None:
        """Answer what can be answered at once; start one of the rest, and let the others wait."""
        hot: list[Started] = []
        rest: list[Started] = []
        for one in taken:
            (hot if one.protocol.may_answer_at_once(one) else rest).append(one)
        for answers in hot[0].protocol.at_once([one.cycle.scope for one in hot]) if hot else ():
            in_parts = len(answers) < len(hot)
            for place, answer in answers.items():
                if answer is None:
                    rest.append(dataclasses.replace(hot[place], long_way=True))
                else:
                    hot[place].protocol.write_answer(hot[place].cycle, *answer, send_now=in_parts)
        for one in rest[:1]:
            one.protocol.start(one)
        self._waiting.extendleft(reversed(rest[1:]))


@record
class Started:
    """A request that has been read."""

    protocol: "Protocol"
    cycle: RequestResponseCycle
    app: Any
    long_way: bool = False
    """Whether it cannot be answered at once."""


class Protocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._gate: Gate | None = self.app_state.get(GATE)
        self._drain: Drain | None = self.app_state.get(DRAIN)
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
        started = Started(self, cycle, app)
        if self._gate is None:
            self.start(started)
        else:
            self._turns.take(started)

    def start(self, started: Started) -> None:
        """Ask the application."""
        task = self.loop.create_task(started.cycle.run_asgi(started.app))
        task.add_done_callback(self._answered)
        self.tasks.add(task)

    def may_answer_at_once(self, started: Started) -> bool:
        """Whether nothing is special about a request but perhaps what it asks for."""
        cycle = started.cycle
        if started.long_way or not cycle.keep_alive or cycle.waiting_for_100_continue or self.flow.write_paused:
            return False
        return not (self._drain and self._drain.begun) and AT_ONCE in self.app_state

    def at_once(self, scopes: Sequence[Any]) -> Iterator[Mapping[int, Written | None]]:
        """Ask the application for what needs no waiting."""
        answers: Iterator[Mapping[int, Written | None]] = self.app_state[AT_ONCE](scopes)
        return answers

    def write_answer(
        self, cycle: RequestResponseCycle, headers: Headers, content: bytes, send_now: bool = False
    ) -> None:
        """Write an answer 200 whole; send_now: the turn goes on for longer, and uvloop would send it at its end."""
        pieces = [b"HTTP/1.1 200 OK\r\n"]
        for name, value in (*cycle.default_headers, *headers):
            pieces += name, b": ", value, b"\r\n"
        pieces += b"\r\n", content
        if send_now:
            self.transport.set_write_buffer_limits(high=0)
        self.transport.write(b"".join(pieces))
        if send_now:
            self.transport.set_write_buffer_limits()
        cycle.response_started = cycle.response_complete = True
        self.on_response_complete()
        if self._gate:
            self._gate.answered(len(self.tasks) + len(self._turns))

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
        request_id = new_request_id().decode()
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
