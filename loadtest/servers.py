"""Starts a server as a process of its own on chosen cores, and says what it has used."""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SERVER_CORE, CLIENT_CORE = 0, 1
START_SECONDS = 300.0
NO_VARIABLES: Mapping[str, str] = {}
PATIENT = {"CANDGEN_QUEUE_BUDGET_MS": "60000", "CANDGEN_REQUEST_BUDGET_MS": "60000", "CANDGEN_DRAIN_SECONDS": "0"}
_ADDRESS = re.compile(rb"on (http://127\.0\.0\.1:\d+)")


class ServerError(Exception):
    """A server did not come up; says what it printed."""


@dataclass(frozen=True)
class Server:
    """A running server and its processes."""

    url: str
    process: subprocess.Popen[bytes]

    def pids(self) -> list[int]:
        """Return the process and its children."""
        return [self.process.pid, *_children(self.process.pid)]

    def cpu_seconds(self) -> float:
        """Return processor time used so far by all threads of all its processes."""
        tasks = [task for pid in self.pids() for task in Path(f"/proc/{pid}/task").glob("*/schedstat")]
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def pinned(command: Sequence[str], cores: set[int] | None) -> list[str]:
    """Return a command that runs on these cores only (None: wherever)."""
    if cores is None or (os.cpu_count() or 1) <= max(cores):
        return [*command]
    return ["taskset", "--cpu-list", ",".join(map(str, sorted(cores))), *command]


@contextlib.contextmanager
def running(
    module: str, *arguments: str, cores: set[int] | None = None, environment: Mapping[str, str] = NO_VARIABLES
) -> Iterator[Server]:
    """Run `python -m module arguments` with more variables; wait until it is ready, end it at exit."""
    command = pinned([sys.executable, "-m", module, *arguments], cores)
    with tempfile.TemporaryFile() as printed:
        process = subprocess.Popen(command, stdout=printed, stderr=subprocess.STDOUT, env={**os.environ, **environment})
        try:
            yield Server(_wait_until_ready(process, printed.fileno()), process)
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
            process.kill()
            process.wait()


def service(store: Path, cores: set[int] | None = None, workers: int = 1) -> contextlib.AbstractContextManager[Server]:
    """Run the service on a free port; it refuses nobody, since refusals are quick and would count as answers."""
    flags = ("--store", str(store), "--port", "0", "--workers", str(workers))
    return running("service", *flags, cores=cores, environment=PATIENT)


def _wait_until_ready(process: subprocess.Popen[bytes], printed: int) -> str:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        found = _ADDRESS.search(_output(printed))
        if found and _answers(found[1].decode()):
            return found[1].decode()
        time.sleep(0.05)
    state = f"exit status {process.poll()}" if process.poll() is not None else f"not ready in {START_SECONDS:.0f} s"
    raise ServerError(f"the server did not start ({state}); it printed:\n{_output(printed).decode(errors='replace')}")


def _answers(url: str) -> bool:
    """Whether the server is ready; the floor has no such path, and is with its first answer."""
    try:
        urllib.request.urlopen(f"{url}/health/ready", timeout=5).close()
    except urllib.error.HTTPError as error:
        return error.code == 404
    except OSError:
        return False
    return True


def _output(descriptor: int) -> bytes:
    return os.pread(descriptor, 1 << 20, 0)


def _children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [child for part in text.split() for child in (int(part), *_children(int(part)))]
