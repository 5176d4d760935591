"""Where the service listens: one socket, or one for each worker process.

Workers that share a socket race for connections, and of a burst of them, as a caller's pool makes it, often one worker
takes all. Where every worker has a socket of its own on the same port (SO_REUSEPORT), Linux deals connections out; one
that does not listen yet, or no more, gets none.
"""

import socket
import sys
from typing import Any

BACKLOG = 2048


def listen(host: str, port: int, workers: int = 1) -> Any:
    """Return what uvicorn takes for the listening socket of so many workers; port 0: a free one.

    Raises:
        OSError: the address cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    listener.set_inheritable(True)
    if workers == 1 or sys.platform != "linux":
        return listener
    address = listener.getsockname()  # nobody else listens there
    listener.close()
    return OwnSocket(_bound(family, address))


class OwnSocket:
    """Keeps a port, and does not listen: what reads it from a pickle, a worker process, has a socket of its own."""

    def __init__(self, bound: socket.socket) -> None:
        self._bound = bound
        self.getsockname, self.close = bound.getsockname, bound.close

    def __reduce__(self) -> Any:
        """Bind another socket where this one is unpickled."""
        return _bound, (self._bound.family, self._bound.getsockname())


def _bound(family: socket.AddressFamily, address: Any) -> socket.socket:
    """Return a socket that does not listen yet, on an address that others may share."""
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if family == socket.AF_INET6:
        bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    bound.bind(address)
    return bound
