"""Adds up what all workers of a service counted, dead ones too, by way of small files in one folder.

A worker writes a snapshot of its counts every second and holds a lock while it lives. Whoever finds a snapshot whose
lock is free adds its counters to those of the dead and removes it, so no counter ever falls and no file is left.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import orjson

from service import metrics
from service.metrics import Labels
from service.workers import RUN_DIR

_DEAD, _GUARD, _SNAPSHOT, _LOCK = "dead.json", "guard", ".json", ".lock"


def shared_folder() -> Path | None:
    """Return where the workers of this service meet, None if there is no such folder."""
    given = os.environ.get(RUN_DIR)
    if not given or not Path(given).is_dir():
        return None
    folder = Path(given) / "metrics"
    folder.mkdir(exist_ok=True)
    return folder


@dataclass
class Counts:
    """Sums over workers; gauges with the process id of each."""

    requests: dict[tuple[str, str, int], list[float]] = field(default_factory=dict)
    counters: dict[tuple[str, Labels], float] = field(default_factory=dict)
    gauges: dict[tuple[str, Labels, int], float] = field(default_factory=dict)

    def add(self, snapshot: Mapping[str, Any]) -> None:
        """Add a snapshot."""
        for *key, row in snapshot["requests"]:
            known = self.requests.setdefault(tuple(key), [0.0] * metrics.WIDTH)
            known[:] = [a + b for a, b in zip(known, row, strict=True)]
        for name, labels, value in snapshot["counters"]:
            pair = (name, tuple(labels))
            self.counters[pair] = self.counters.get(pair, 0) + value
        for name, labels, value in snapshot["gauges"]:
            self.gauges[name, tuple(labels), snapshot["pid"]] = value

    def snapshot(self) -> dict[str, Any]:
        """Return the counters, without gauges."""
        return {
            "requests": [[*key, row] for key, row in self.requests.items()],
            "counters": [[*key, value] for key, value in self.counters.items()],
            "gauges": [],
            "pid": 0,
        }


def own_snapshot() -> dict[str, Any]:
    """Return what this process counted."""
    return {
        "requests": [[*key, row] for key, row in metrics.requests.items()],
        "counters": [[*key, value] for key, value in metrics.counters.items()],
        "gauges": [[*key, value] for key, value in metrics.gauges.items()],
        "pid": os.getpid(),
    }


class Share:
    """One worker's part in a folder of snapshots; without a folder it knows of itself alone."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._name = f"{os.getpid()}-{os.urandom(4).hex()}"
        self._lock: IO[bytes] | None = None

    def open(self) -> None:
        """Show that this worker lives."""
        if self._folder is not None:
            self._lock = (self._folder / (self._name + _LOCK)).open("wb")
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    def close(self) -> None:
        """Write a last snapshot and let the lock go: the next reader takes it to those of the dead."""
        if self._lock is not None:
            self.write()
            self._lock.close()
            self._lock = None

    def write(self) -> None:
        """Write this worker's snapshot."""
        if self._folder is not None and self._lock is not None:
            _replace(self._folder / (self._name + _SNAPSHOT), own_snapshot())

    def collect(self) -> Counts:
        """Return the sums over all workers; this one's are of now, others' at most a second old."""
        total = Counts()
        total.add(own_snapshot())
        if self._folder is not None:
            with _guarded(self._folder):
                _sweep(self._folder)
                for path in [self._folder / _DEAD, *self._folder.glob("*-*" + _SNAPSHOT)]:
                    if path.stem != self._name and path.exists():
                        total.add(orjson.loads(path.read_bytes()))
        return total


def _sweep(folder: Path) -> None:
    """Add dead workers to the sum of the dead; the guard is held."""
    for lock in folder.glob("*-*" + _LOCK):
        with lock.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            snapshot = lock.with_suffix(_SNAPSHOT)
            if snapshot.exists():
                dead = Counts()
                for path in (folder / _DEAD, snapshot):
                    if path.exists():
                        dead.add(orjson.loads(path.read_bytes()))
                snapshot.unlink()
                _replace(folder / _DEAD, dead.snapshot())
            lock.unlink()


@contextlib.contextmanager
def _guarded(folder: Path) -> Iterator[None]:
    """One reader at a time."""
    with (folder / _GUARD).open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _replace(path: Path, snapshot: Mapping[str, Any]) -> None:
    fresh = path.with_suffix(f".{os.getpid()}.tmp")
    fresh.write_bytes(orjson.dumps(snapshot))
    fresh.replace(path)
