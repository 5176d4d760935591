"""What the workers of one service tell each other: small files in a folder that the parent process makes.

The store may be read-only, so it is not there. Without such a folder a worker knows of itself alone.
"""

import contextlib
import fcntl
import json
import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RUN_DIR = "CANDGEN_RUN_DIR"
"""Set by the parent process for its workers; not a setting."""
_RELOAD = "reload"


@contextlib.contextmanager
def run_folder() -> Iterator[None]:
    """Give the workers that are started meanwhile a folder of their own."""
    try:
        folder = tempfile.TemporaryDirectory(prefix="candgen-run-", ignore_cleanup_errors=True)
    except OSError:  # nowhere to write: each worker goes without
        yield
        return
    with folder as path:
        os.environ[RUN_DIR] = path
        try:
            yield
        finally:
            os.environ.pop(RUN_DIR, None)


class Workers:
    """This worker's place among the others."""

    def __init__(self) -> None:
        given = os.environ.get(RUN_DIR)
        self._folder = Path(given) if given and Path(given).is_dir() else None
        self._own: dict[str, Any] = {"pid": os.getpid(), "release": None, "split": []}
        self._reload = ""

    def report(self, release: str | None, split: list[str]) -> None:
        """Say what this worker serves."""
        self._own = {"pid": os.getpid(), "release": release, "split": split}
        self._write(f"{os.getpid()}.json", json.dumps(self._own))

    def all(self) -> list[dict[str, Any]]:
        """Return what every living worker serves, by process id."""
        found = {os.getpid(): self._own}
        for path in self._folder.glob("*.json") if self._folder else ():
            with contextlib.suppress(OSError, ValueError):
                pid = int(path.stem)
                if _lives(pid):
                    found.setdefault(pid, json.loads(path.read_bytes()))
                else:
                    path.unlink()
        return [found[pid] for pid in sorted(found)]

    def ask_reload(self) -> None:
        """Ask every worker, this one too, to look at the store anew."""
        self._reload = secrets.token_hex(8)
        self._write(_RELOAD, self._reload)

    def reload_asked(self) -> str:
        """Return a text that is another one after every `ask_reload` of any worker."""
        if self._folder:
            with contextlib.suppress(OSError):
                return (self._folder / _RELOAD).read_text()
        return self._reload

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until no other worker is in here."""
        if self._folder is None:
            yield
            return
        with (self._folder / "turn").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # goes with its process
            yield

    def _write(self, name: str, text: str) -> None:
        if self._folder:
            with contextlib.suppress(OSError):  # to be left out of a list is no reason to stop serving
                temporary = self._folder / f".{os.getpid()}-{name}"
                temporary.write_text(text)
                temporary.replace(self._folder / name)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
