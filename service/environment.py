"""What must be settled in a process before numpy and numba are imported."""

import contextlib
import os
import tempfile
from pathlib import Path

from service.errors import CandgenError

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_NUMBA_CACHE = "NUMBA_CACHE_DIR"


def prepare() -> None:
    """One thread per worker for numeric libraries, and a place for compiled kernels.

    Sets environment variables only, so worker processes inherit it; what is set already stays.
    """
    for name in _THREAD_VARIABLES:
        os.environ.setdefault(name, "1")
    if _NUMBA_CACHE not in os.environ and not any(_writable(folder) for folder in _usual_caches()):
        # numba refuses to import a kernel with cache=True when it finds no place to write; the
        # folder is a private one, because the cache is code that will be run
        os.environ[_NUMBA_CACHE] = _private_folder()


def _private_folder() -> str:
    for parent in (None, "/dev/shm"):  # noqa: S108 (mkdtemp's folder is for its owner alone)
        with contextlib.suppress(OSError):
            return tempfile.mkdtemp(prefix="candgen-numba-", dir=parent)
    raise CandgenError(
        f"no folder to write compiled kernels to: temporary folders, the user's cache and /dev/shm "
        f"are all read-only; mount a tmpfs at /tmp, or set {_NUMBA_CACHE} to a folder that can be written to"
    )


def _usual_caches() -> list[Path]:
    """Return where numba would write by itself: beside the source, else in the user's cache."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path(os.path.expanduser("~")) / ".cache")
    return [Path(__file__).parent, home]


def _writable(folder: Path) -> bool:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return os.access(folder, os.W_OK | os.X_OK)
