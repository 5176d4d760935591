"""A real `python -m service` on a store, for tests that need sockets."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

from service.store import Store


@dataclass(frozen=True)
class Service:
    """A running service and its store."""

    address: str
    store: Store
    pid: int


@contextlib.contextmanager
def serving(store: Store) -> Iterator[Service]:
    """Run the service until it is not needed any more."""
    command = [sys.executable, "-m", "service", "--store", str(store.root), "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stderr is not None
    try:
        address = re.search(r"http://127\.0\.0\.1:\d+", process.stderr.readline())[0]
        _wait_until_ready(address)
        yield Service(address, store, process.pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _wait_until_ready(address: str, seconds: float = 150) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(urllib.error.URLError, OSError):
            urllib.request.urlopen(f"{address}/health/ready", timeout=5).close()
            return
        time.sleep(0.1)
    raise TimeoutError(f"{address} is not ready")
