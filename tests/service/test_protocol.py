"""What the server's protocol does with requests: answers at once, keeps order, shares turns of the loop."""

import asyncio
import math
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from service import protocol
from service.protocol import AT_ONCE, GATE, Protocol, Turns

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


def at_once(scope: Any) -> Any:
    return (HEADERS, b"now") if scope["path"].startswith("/hot") else None


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
    """Takes a known time to be answered."""

    disconnected = False

    def __init__(self, seconds: float, log: list[int], name: int) -> None:
        self.seconds, self.log, self.name = seconds, log, name

    def start(self, _: Any, __: Any) -> float:
        self.log.append(self.name)
        return self.seconds


def turns(seconds: float, n: int = 12) -> list[int]:
    """Return how many of n requests, which arrive together, have begun after each turn of the loop."""

    async def run() -> list[int]:
        turn, log = Turns(asyncio.get_running_loop()), []
        for name in range(n):
            asked = Asked(seconds, log, name)
            turn.take(asked, asked, None)  # type: ignore[arg-type]
        begun = [len(log)]
        while len(turn):
            await asyncio.sleep(0)
            begun.append(len(log))
        assert log == sorted(log)
        return begun

    return asyncio.run(run())


def test_short_requests_share_a_turn():
    assert turns(protocol._LONGEST_TURN / 100) == [12]
    assert turns(protocol._LONGEST_TURN / 4) == [4, 8, 12]


@pytest.mark.parametrize("seconds", [math.inf, 1.0])
def test_long_ones_have_a_turn_each(seconds):
    assert turns(seconds, 4) == [1, 2, 3, 4]


def test_turns_in_which_something_arrives_are_followed_by_some_without_a_request():
    async def run() -> None:
        turn, log = Turns(asyncio.get_running_loop()), []
        for name in range(3):
            asked = Asked(1.0, log, name)
            turn.take(asked, asked, None)  # type: ignore[arg-type]
        turn.note_arrival()
        await asyncio.sleep(0)
        assert log == [0]
        await asyncio.sleep(0)
        assert log == [0, 1]

    asyncio.run(run())


def test_nobody_is_answered_who_has_left():
    async def run() -> None:
        turn, log = Turns(asyncio.get_running_loop()), []
        asked = [Asked(1.0, log, name) for name in range(3)]
        for one in asked:
            turn.take(one, one, None)  # type: ignore[arg-type]
        asked[1].disconnected = True
        for _ in range(4):
            await asyncio.sleep(0)
        assert log == [0, 2]

    asyncio.run(run())
