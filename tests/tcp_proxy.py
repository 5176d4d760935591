"""A TCP proxy that can be slow, hold answers back, cut them in half, or refuse: a network with faults."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator


class TcpProxy:
    """Passes connections on to a port of this machine; its attributes may be changed at any time."""

    def __init__(self, to: int) -> None:
        self._to = to
        self.delay = 0.0
        """Seconds that every answer is late."""
        self.half = False
        """Pass on half of an answer, then reset the connection."""
        self.silent = False
        """Swallow what comes, in both directions: a partition."""
        self.instead = b""
        """What to answer instead of every answer."""
        self.passing = threading.Event()
        """Clear: answers are held back until it is set."""
        self.passing.set()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def reset_all(self) -> None:
        """Reset every connection that is open."""
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._sockets.clear()

    def close(self) -> None:
        self._listener.close()
        self.passing.set()
        self.reset_all()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                client.close()
                continue
            self._sockets += [client, server]
            for source, target, answers in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._pass, args=(source, target, answers), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        with contextlib.suppress(OSError), source:
            while data := source.recv(65536):
                if self.silent:
                    continue
                if answers:
                    self.passing.wait()
                    time.sleep(self.delay)
                    if self.half:
                        target.sendall(data[: len(data) // 2])
                        target.shutdown(socket.SHUT_RDWR)
                        return
                    data = self.instead or data
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def tcp_proxy(to: int) -> Iterator[TcpProxy]:
    proxy = TcpProxy(to)
    try:
        yield proxy
    finally:
        proxy.close()
