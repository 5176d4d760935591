"""Under which conditions something was measured."""

import os
import platform
import subprocess
import time
from pathlib import Path

import numba
from threadpoolctl import threadpool_info

_PROCESSORS = Path("/proc/cpuinfo")


def machine() -> str:
    """Name the processor, and the threads that a fit may use."""
    blas = max((pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"), default=1)
    return (
        f"{os.cpu_count()} cores, {_processor()}, Python {platform.python_version()}; threads of a fit: "
        f"{numba.get_num_threads()} in our kernels, {blas} in BLAS"
    )


def conditions() -> str:
    """Say when and by which commit something was measured, and how busy the machine was."""
    load = f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    return f"Measured {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC, {_commit()}, {load}."


def _processor() -> str:
    if _PROCESSORS.exists():
        for line in _PROCESSORS.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def _commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=8"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 (fixed arguments)
    except (OSError, subprocess.CalledProcessError):
        return "not in a git checkout"
    return f"commit {done.stdout.strip()}"
