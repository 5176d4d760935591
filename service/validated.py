"""Which files were found good, as long as nobody touches them: by this process, or by another worker of its service.

So a rollback is a matter of milliseconds, and a worker that takes the place of a dead one need not read a release
again that the others have read. A file is known by its place, its checksum, its inode, size and times.
"""

import contextlib
import hashlib
import os
import time
from pathlib import Path

from service.workers import RUN_DIR

_SETTLED_SECONDS = 2.0
"""A file changed this short ago may change again within the resolution of its times."""
_known: set[str] = set()


def knows(path: Path, sha256: str, seen: os.stat_result) -> bool:
    """Whether this very file was found to have this checksum."""
    mark = _mark(path, sha256, seen)
    folder = _folder()
    if mark not in _known and folder and (folder / mark).exists():
        _known.add(mark)
    return mark in _known


def note(path: Path, sha256: str, seen: os.stat_result) -> None:
    """Remember a file that was found good."""
    if time.time() - max(seen.st_mtime, seen.st_ctime) <= _SETTLED_SECONDS:
        return
    mark = _mark(path, sha256, seen)
    _known.add(mark)
    if folder := _folder():
        with contextlib.suppress(OSError):  # then the others read it themselves
            folder.mkdir(exist_ok=True)
            (folder / mark).touch()


def _mark(path: Path, sha256: str, seen: os.stat_result) -> str:
    signature = seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns
    return hashlib.sha256(repr((str(path.absolute()), sha256, signature)).encode()).hexdigest()


def _folder() -> Path | None:
    """Return where the workers of a service meet; it is its parent's own, and goes with it."""
    given = os.environ.get(RUN_DIR)
    return Path(given) / "validated" if given else None
