"""File systems that are full, or that nothing can be written to."""

import os
import sys

from tests.faults import namespace
from tests.stores import tiny_store, user_id

FULL = 'mount -t tmpfs -o size=2m tmpfs "$1"; exec "$2" -m tests.faults.full_disk "$1" "$3"'
READ_ONLY = """
mount -t tmpfs tmpfs "$1"
for place in / /dev/shm; do mount -o remount,ro,bind $place; done
touch /x 2>/dev/null && exit 9
unset HOME XDG_CACHE_HOME NUMBA_CACHE_DIR
export TMPDIR="$2" PYTHONDONTWRITEBYTECODE=1
shift 2
exec "$@"
"""
SERVE = """
import json, re, subprocess, sys, time, urllib.request
command = [sys.executable, "-m", "service", "--store", sys.argv[1], "--port", "0", "--workers", "2"]
service = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
address = re.search(r"http://\\S+", service.stderr.readline())[0]
for _ in range(3000):
    try:
        answer = json.load(urllib.request.urlopen(address + sys.argv[2]))
        break
    except OSError:
        time.sleep(0.1)
service.terminate()
print(answer["returned"], service.wait(30))
"""


def test_a_full_disk_changes_nothing(tmp_path, counts):
    rounds = counts(20, 1_000)
    done = namespace.run(FULL, str(tmp_path), sys.executable, str(rounds), timeout=3600)
    assert done.returncode == 0, done.stderr
    refused, published = map(int, done.stdout.split())
    assert refused >= rounds // 4
    assert published >= rounds // 10
    print(f"COUNTED {rounds} publishers on a nearly full tmpfs: {refused} refused, {published} not; CURRENT loads")


def read_only(tmp_path, writable, *command, timeout=300):
    """Run a command where only `writable` (or nothing) can be written to, without HOME."""
    place = tmp_path / "tmpfs"
    place.mkdir()
    usable = str(place if writable else tmp_path)
    return namespace.run(READ_ONLY, str(place), usable, sys.executable, *command, env=dict(os.environ), timeout=timeout)


def test_a_read_only_root_without_home(tmp_path, full_faults):
    """The imports are what numba fails at; the full form compiles every kernel and serves."""
    if not full_faults:
        command = "from service import environment; environment.prepare(); import service.app, os"
        done = read_only(tmp_path, True, "-c", f"{command}; print(os.environ['NUMBA_CACHE_DIR'])")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(str(tmp_path / "tmpfs"))
        return
    store = tiny_store(tmp_path / "store")
    done = read_only(tmp_path, True, "-c", SERVE, str(store.root), f"/candidates/{user_id(0)}?n=3", timeout=900)
    assert (done.returncode, done.stdout) == (0, "3 0\n"), done.stderr
    print("COUNTED served from a read-only root without HOME, only TMPDIR writable, by 2 workers")


def test_nothing_writable_at_all_is_one_line(tmp_path):
    store = tiny_store(tmp_path / "store")
    done = read_only(tmp_path, False, "-m", "service", "--store", str(store.root), "--port", "0")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "NUMBA_CACHE_DIR" in done.stderr
    assert done.stderr.count("\n") == 1
