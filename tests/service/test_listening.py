"""Sockets of several workers on one port."""

import contextlib
import pickle
import socket
import sys

import pytest

from service.listening import listen

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere workers share a socket")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_each_worker_has_a_socket_of_its_own_on_one_port(host):
    with contextlib.closing(listen(host, 0, workers=2)) as kept:
        address = kept.getsockname()
        with pytest.raises(ConnectionRefusedError):  # nobody listens yet
            socket.create_connection(address[:2], timeout=5)
        first, second = (pickle.loads(pickle.dumps(kept)) for _ in range(2))
        with first, second:
            assert first.getsockname() == second.getsockname() == address
            first.listen()
            with socket.create_connection(address[:2], timeout=5):
                first.settimeout(5)
                first.accept()[0].close()


def test_nobody_else_can_take_the_port_that_a_worker_listens_on():
    with contextlib.closing(listen("127.0.0.1", 0, workers=2)) as kept, pickle.loads(pickle.dumps(kept)) as own:
        own.listen()
        for workers in (1, 2):
            with pytest.raises(OSError, match="in use"):
                listen("127.0.0.1", kept.getsockname()[1], workers)
