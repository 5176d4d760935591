"""Kernels that were compiled from older sources are compiled anew."""

import os
import subprocess
import sys

from service import kernel_cache

CALLED = """
from numba import njit
@njit(cache=True)
def number():
    return {number}
"""
CALLER = """
from numba import njit
from called import number
@njit(cache=True)
def twice():
    return 2 * number()
print(twice())
"""


def test_a_change_of_what_a_kernel_calls(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}

    def printed(number, age):
        called, caller = tmp_path / "called.py", tmp_path / "caller.py"
        called.write_text(CALLED.format(number=number))
        if not caller.exists():
            caller.write_text(CALLER)
            os.utime(caller, (0, 0))
        newest = caller.stat().st_mtime + age
        os.utime(called, (newest, newest))
        forgotten = kernel_cache.forget_stale(tmp_path, cache=environment["NUMBA_CACHE_DIR"])
        done = subprocess.run(
            [sys.executable, str(caller)], env=environment, capture_output=True, text=True, check=True
        )
        return forgotten, done.stdout

    assert printed(1, 0) == (0, "2\n")
    assert printed(1, 0) == (0, "2\n")
    assert printed(2, 4e9) == (2, "4\n")  # both kernels; without it numba's own check finds only one of them


def test_the_kernels_of_the_service(tmp_path):
    names = {file.name for file in kernel_cache.SERVICE.rglob("*.py")}
    assert {"kernels.py", "reaching.py", "nibbles.py"} <= names
    kept = tmp_path / "new.nbi"
    kept.touch()
    assert kernel_cache.forget_stale(kernel_cache.SERVICE, cache=str(tmp_path)) == 0
    assert kept.exists()
    os.utime(kept, (0, 0))
    assert kernel_cache.forget_stale(kernel_cache.SERVICE, cache=str(tmp_path)) == 1
