"""Drives a server with wrk as fast as it answers (https://github.com/wg/wrk, `apt install wrk`)."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from loadtest.result import LoadError, Result
from loadtest.servers import pinned

CONNECTIONS = 16

_SCRIPT = """
local requests = {}
function init(args)
  math.randomseed(tonumber(args[2]))
  for path in io.lines(args[1]) do requests[#requests + 1] = wrk.format("GET", path) end
end
function request() return requests[math.random(#requests)] end
function done(summary, latency)
  local e = summary.errors
  print(string.format('RESULT {"requests": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f, "failures": %d}',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""


def installed() -> bool:
    """Whether wrk can be run."""
    return shutil.which("wrk") is not None


def drive(
    url: str,
    paths: Sequence[str],
    seconds: float,
    seed: int,
    cores: set[int] | None = None,
    *,
    connections: int = CONNECTIONS,
) -> Result:
    """Ask for paths at random over a few connections, each sending its next request when it has its answer."""
    with tempfile.TemporaryDirectory() as folder:
        script, list_of_paths = Path(folder, "requests.lua"), Path(folder, "paths")
        script.write_text(_SCRIPT)
        list_of_paths.write_text("\n".join(paths))
        limits = ["-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "30s"]
        command = ["wrk", *limits, "-s", str(script), url, str(list_of_paths), str(seed)]
        done = subprocess.run(pinned(command, cores), capture_output=True, text=True, check=False)
    line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT ")), None)
    if line is None:
        raise LoadError(f"wrk gave no result (exit status {done.returncode}): {done.stdout}{done.stderr}")
    return Result(**json.loads(line.removeprefix("RESULT "))).checked()
