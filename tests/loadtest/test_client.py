"""The bundled client against servers that answer, refuse, hang up and take their time."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from loadtest import client
from loadtest.result import Result

Answer = Callable[[socket.socket], None]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"


@contextmanager
def serving(answer: Answer) -> Iterator[str]:
    """Run a server that does the same to every request; yield its URL."""

    def serve(connection: socket.socket) -> None:
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while connection.recv(1000):
                answer(connection)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=[connection], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def ran(answer: Answer, seconds: float = 0.2, rate: float | None = None, connections: int = 2) -> Result:
    with serving(answer) as url:
        return client.run(url, ["/a", "/b"], seconds, rate, 0, connections)


def in_pieces(connection: socket.socket) -> None:
    for piece in (OK[:10], OK[10:], b"bo", b"dy"):
        connection.sendall(piece)


def test_answers_are_counted_however_they_come_in():
    found = ran(in_pieces)
    assert found.requests > 10
    assert found.failures == 0


def test_a_rate_is_kept():
    found = ran(in_pieces, seconds=1.0, rate=200.0)
    assert 120 < found.requests < 280
    assert found.failures == 0


def test_what_is_not_200_is_a_failure():
    found = ran(lambda connection: connection.sendall(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"))
    assert found.failures == found.requests > 0


def test_so_is_a_connection_that_ends():
    found = ran(lambda connection: connection.shutdown(socket.SHUT_RDWR))
    assert (found.requests, found.failures) == (0, 2)


def test_at_a_fixed_rate_the_wait_for_a_connection_counts():
    def slow(connection: socket.socket) -> None:
        time.sleep(0.05)
        connection.sendall(OK + b"body")

    found = ran(slow, seconds=0.5, rate=100.0, connections=1)
    assert found.p99_ms > 500  # it is offered five times what it can do
