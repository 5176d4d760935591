"""A service in processes of its own, as an operator runs it."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path


class ServiceProcess:
    def __init__(self, store: Path, log: Path, workers: int = 2, **variables: str) -> None:
        self.store, self._log_path = store, log
        command = [sys.executable, "-m", "service", "--store", str(store), "--port", "0", "--workers", str(workers)]
        self._log = log.open("wb")
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=self._log,
            env={**os.environ, **variables},
            start_new_session=True,
        )
        found = wait_for(lambda: re.search(r"http://127\.0\.0\.1:(\d+)", self.log), "the service listens")
        self.port = int(found[1])
        wait_for(lambda: self.count() == workers, f"{workers} workers are ready", 180)

    @property
    def log(self) -> str:
        return self._log_path.read_text()

    def request(self, path: str, method: str = "GET", body: object = None, headers: dict | None = None) -> dict:
        sent = {"Content-Type": "application/json", **(headers or {})}
        data = None if body is None else json.dumps(body).encode()
        made = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, sent, method=method)
        with urllib.request.urlopen(made, timeout=30) as response:
            return json.load(response)

    def text(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as response:
            return response.read().decode()

    def workers(self) -> list[dict]:
        with contextlib.suppress(OSError):
            return [worker for worker in self.request("/releases")["workers"] if worker["release"]]
        return []

    def count(self) -> int:
        return len(self.workers())

    def wait_until_served(self, release: str, workers: int = 2) -> float:
        """Wait until every worker serves a release; return how long that took."""
        start = time.perf_counter()
        wait_for(lambda: [one["release"] for one in self.workers()] == [release] * workers, f"all serve {release}", 120)
        return time.perf_counter() - start

    def rss(self, pid: int, of: str = "VmRSS") -> int:
        """Return a worker's resident bytes."""
        with contextlib.suppress(OSError):
            return int(re.search(rf"{of}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) * 1024
        return 0

    def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._log.close()


@contextlib.contextmanager
def service_process(store: Path, log: Path, workers: int = 2, **variables: str) -> Iterator[ServiceProcess]:
    started = ServiceProcess.__new__(ServiceProcess)
    try:
        started.__init__(store, log, workers, **variables)
        yield started
    finally:
        started.stop()


def wait_for(condition, what: str, seconds: float = 60):
    end = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(0.02)
    return found
