"""What the server's protocol does with requests: answers at once, keeps order, shares turns of the loop."""

import asyncio
import select
import socket
import threading
import time
from typing import Any

import pytest
import uvicorn
import uvloop
from uvicorn.server import ServerState

from service import protocol
from service.protocol import AT_ONCE, GATE, Protocol, Started, Turns

HEADERS = ((b"content-type", b"application/json"), (b"content-length", b"3"))


class Transport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, _: str) -> Any:
        return None

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


async def the_app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"3")]})
    await send({"type": "http.response.body", "body": b"app"})


def at_once(scopes: Any) -> Any:
    for place, scope in enumerate(scopes):
        yield {place: (HEADERS, b"now") if scope["path"].startswith("/hot") else None}


class NeverShut:
    def shut(self, waiting: int) -> bool:
        return False

    def answered(self, waiting: int) -> None: ...


def told(*messages: bytes, **more: Any) -> Transport:
    """Feed bytes to a connection, and return its transport when all is done."""

    async def run() -> Transport:
        config = uvicorn.Config(the_app, http=Protocol, log_config=None, date_header=False)
        config.load()
        state = {GATE: NeverShut(), AT_ONCE: at_once, **more}
        connection = Protocol(config=config, server_state=ServerState(), app_state=state)
        transport = Transport()
        connection.connection_made(transport)  # type: ignore[arg-type]
        for message in messages:
            connection.data_received(message)
            for _ in range(10):
                await asyncio.sleep(0)
        closed = transport.closed
        connection.connection_lost(None)
        transport.closed = closed
        return transport

    return asyncio.run(run())


def get(path: str, version: str = "1.1", *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/{version}", *headers, "", ""]).encode()


def test_a_hot_answer_is_written_whole():
    written = told(get("/hot/1")).written
    assert written == b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 3\r\n\r\nnow"


def test_what_is_not_hot_is_asked_of_the_application():
    assert told(get("/other")).written.endswith(b"\r\n\r\napp")


@pytest.mark.parametrize("headers", [["Connection: close"], ["Expect: 100-continue"]])
def test_what_is_special_about_a_request_is_left_to_uvicorn(headers):
    transport = told(get("/hot/1", "1.1", *headers))
    assert transport.written.endswith(b"\r\n\r\napp")
    assert transport.closed is (headers == ["Connection: close"])


def test_an_old_client_gets_its_answer_and_the_end_of_the_connection():
    transport = told(get("/hot/1", "1.0"))
    assert transport.written.endswith(b"app")
    assert transport.closed


def test_nothing_is_answered_at_once_while_draining():
    class Begun:
        begun = True

    assert told(get("/hot/1"), drain=Begun()).written.endswith(b"app")


@pytest.mark.parametrize("apart", [True, False])
def test_answers_come_in_the_order_of_requests(apart):
    paths = ["/hot/1", "/other", "/hot/2", "/hot/3", "/other", "/hot/4"]
    messages = [get(path) for path in paths]
    written = told(*messages).written if apart else told(b"".join(messages)).written
    bodies = [part[:3] for part in written.split(b"\r\n\r\n")[1:]]
    assert bodies == [b"now", b"app", b"now", b"now", b"app", b"now"]


class Asked:
    """A protocol and its request; even ones can be answered at once, and take a known time."""

    disconnected = False
    apart = False
    """Whether each answer is given by itself."""

    def __init__(self, log: list[Any], name: int, seconds: float = 0.0) -> None:
        self.log, self.name, self.seconds, self.scope = log, name, seconds, name

    def may_answer_at_once(self, started: Started) -> bool:
        return not started.long_way

    def at_once(self, scopes: list[int]) -> Any:
        time.sleep(self.seconds * len(scopes))
        self.log.append(scopes)
        answers = {place: None if name % 2 else ((), b"") for place, name in enumerate(scopes)}
        yield from [{place: answer} for place, answer in answers.items()] if self.apart else [answers]

    def write_answer(self, cycle: Any, headers: Any, content: bytes, send_now: bool) -> None:
        self.log.append(f"answered {cycle.name}" + " now" * send_now)

    def start(self, started: Started) -> None:
        self.log.append(f"started {started.cycle.name}")


def turns(names: list[int], seconds: float = 0.0, before: Any = lambda turn, asked: None) -> list[list[Any]]:
    """Return what happens in each turn of the loop to requests that arrive together."""

    async def run() -> list[list[Any]]:
        turn, log, found = Turns(asyncio.get_running_loop()), [], []
        asked = [Asked(log, name, seconds) for name in names]
        for one in asked:
            turn.take(Started(one, one, None))  # type: ignore[arg-type]
        before(turn, asked)
        while len(turn) or len(found) < 2:
            await asyncio.sleep(0)
            found.append(log[:])
            log.clear()
        return found

    return asyncio.run(run())


def test_requests_that_arrive_together_are_answered_together(monkeypatch):
    monkeypatch.setattr(protocol, "_LONGEST_TURN", 60.0)
    found = turns([0, 2, 4, 6])
    assert found[0] == [[0], "answered 0"]  # how long one takes is not known yet
    assert found[1] == [[2, 4, 6], "answered 2", "answered 4", "answered 6"]


def test_what_is_answered_while_others_wait_is_sent_now(monkeypatch):
    monkeypatch.setattr(protocol, "_LONGEST_TURN", 60.0)
    monkeypatch.setattr(Asked, "apart", True)
    alone, together = turns([0, 2, 3, 4])[:2]
    assert alone == [[0], "answered 0"]
    assert together == [[2, 3, 4], "answered 2 now", "answered 4 now", "started 3"]


def test_it_reaches_its_caller_before_the_others_are_answered(monkeypatch):
    monkeypatch.setattr(protocol, "_LONGEST_TURN", 60.0)
    begun, sent, came, seen = threading.Event(), threading.Event(), threading.Event(), []
    accepted = threading.Barrier(2)

    def answers(scopes: Any) -> Any:
        begun.set()
        assert sent.wait(5)
        yield {0: (HEADERS, b"one")}
        if len(scopes) > 1:
            seen.append(came.wait(5))
            yield {1: (HEADERS, b"two")}

    def ask(port: int) -> None:
        first, *others = (socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(3))
        accepted.wait(5)
        first.sendall(get("/hot/1"))
        assert begun.wait(5)
        for one in others:
            one.sendall(get("/hot/2"))
        sent.set()  # both have arrived when the first is answered, so they are answered together
        select.select(others, (), (), 5)
        came.set()
        seen.append(sorted(one.recv(1000)[-3:] for one in others))
        for one in (first, *others):
            one.close()

    async def serve() -> None:
        config, loop = uvicorn.Config(the_app, http=Protocol, log_config=None), asyncio.get_running_loop()
        config.load()
        shared = {"config": config, "server_state": ServerState(), "app_state": {GATE: NeverShut(), AT_ONCE: answers}}
        server = await loop.create_server(lambda: Protocol(**shared), "127.0.0.1", 0)
        asking = threading.Thread(target=ask, args=[server.sockets[0].getsockname()[1]], daemon=True)
        asking.start()
        while len(shared["server_state"].connections) < 3:
            await asyncio.sleep(0.01)
        accepted.wait(5)
        while asking.is_alive():
            await asyncio.sleep(0.01)
        server.close()

    uvloop.run(serve())
    assert seen == [True, [b"one", b"two"]]


def test_so_many_as_a_turn_has_time_for(monkeypatch):
    monkeypatch.setattr(protocol, "_WEIGHT", 1.0)
    found = turns(list(range(0, 12, 2)), 0.9 * protocol._LONGEST_TURN / 2)
    assert len(found[0][0]) == 1  # how long one takes is not known yet
    assert all(1 <= len(turn[0]) <= 2 for turn in found)
    assert [len(turn[0]) for turn in turns(list(range(0, 6, 2)), 2 * protocol._LONGEST_TURN)] == [1, 1, 1]
    assert max(len(turn[0]) for turn in turns(list(range(0, 60, 2)))) <= protocol._MOST_TOGETHER


def test_of_those_that_cannot_be_answered_at_once_a_turn_starts_one(monkeypatch):
    monkeypatch.setattr(protocol, "_LONGEST_TURN", 60.0)
    found = turns([1, 3, 5, 4])
    assert found[0] == [[1], "started 1"]
    assert found[1] == [[3, 5, 4], "answered 4", "started 3"]
    assert found[2] == ["started 5"]


def test_turns_in_which_something_arrives_are_followed_by_some_without_a_request():
    found = turns([0, 2], before=lambda turn, _: turn.note_arrival())
    assert found == [[], [[0], "answered 0"], [[2], "answered 2"]]


def test_but_not_where_all_get_their_turn():
    assert turns([0], before=lambda turn, _: turn.note_arrival())[0] == [[0], "answered 0"]


def test_nobody_is_answered_who_has_left():
    def leave(_: Turns, asked: list[Asked]) -> None:
        asked[1].disconnected = True

    found = turns([0, 2, 4], before=leave)
    assert [event for turn in found for event in turn] == [[0], "answered 0", [4], "answered 4"]
