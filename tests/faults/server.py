"""The service as an operator runs it, in processes of its own."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request


class Server:
    """A running service."""

    def __init__(self, process, port):
        self.process, self.port = process, port
        self.url = f"http://127.0.0.1:{port}"

    def get(self, path):
        """Return status and JSON, or text; a connection is used once."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=10) as response:
                status, content = response.status, response.read()
        except urllib.error.HTTPError as error:
            with error:
                status, content = error.code, error.read()
        return status, json.loads(content) if content[:1] in b"{[" else content.decode()

    def metrics(self):
        """Return the lines of /metrics as a dict from a series to its value."""
        lines = [line for line in self.get("/metrics")[1].splitlines() if not line.startswith("#")]
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}

    def total(self, name, **labels):
        """Return the sum of a metric over all series with these labels."""
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(
            value
            for series, value in self.metrics().items()
            if series.partition("{")[0] == name and all(pair in series for pair in wanted)
        )

    def workers(self, n=1, seconds=60, without=()):
        """Wait until n workers that serve a release have answered; return their process ids."""
        end = time.monotonic() + seconds
        seen = set()
        while len(seen) < n:
            with contextlib.suppress(OSError):
                answered = self.get("/releases")[1]["workers"]
                seen |= {worker["pid"] for worker in answered if worker["release"]} - set(without)
            if time.monotonic() > end:
                raise TimeoutError(f"{len(seen)} of {n} workers are ready")
            time.sleep(0.02)
        return seen


def _port(process, log):
    """Read the port from the first line of the log."""
    while process.poll() is None:
        with open(log, encoding="utf-8") as file:
            if found := re.search(r"http://[\d.]+:(\d+)\n", file.read()):
                return int(found[1])
        time.sleep(0.05)
    with open(log, encoding="utf-8") as file:
        raise RuntimeError(file.read())


@contextlib.contextmanager
def serving(store, workers=1, wait=True, **variables):
    """Run the service on a store; CANDGEN_ settings by their short names."""
    variables = {"queue_budget_ms": 5_000, **variables}  # a busy machine is not what most tests are about
    settings = {f"CANDGEN_{name.upper()}": str(value) for name, value in variables.items()}
    log = tempfile.NamedTemporaryFile("r")  # noqa: SIM115 (a pipe that nobody reads would stop the service)
    process = subprocess.Popen(
        [sys.executable, "-m", "service", "--store", str(store), "--port", "0", "--workers", str(workers)],
        stderr=log.fileno(),
        env={**os.environ, **settings},
        start_new_session=True,
    )
    try:
        server = Server(process, _port(process, log.name))
        if wait:
            server.workers(workers)
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # workers too
        process.wait()
        log.close()
