"""Compiled kernels on disk: none may outlive the source of another kernel that it holds a copy of.

numba looks only at the file of the function itself, while what the function calls is compiled into it.
"""

import os
from pathlib import Path

SERVICE = Path(__file__).parent
_INDEX = "*.nbi"
"""Without its index, numba compiles a kernel anew."""


def forget_stale(*packages: Path, cache: str | None = None) -> int:
    """Forget what was compiled before the newest source with kernels; return how many kernels that were.

    packages: folders of sources that call each other. cache: a folder of compiled kernels, apart from those beside
    their sources; None: NUMBA_CACHE_DIR. A file that cannot be removed stays: whoever made it made the sources too.
    """
    cache = os.environ.get("NUMBA_CACHE_DIR") if cache is None else cache
    sources = [file for package in packages for file in package.rglob("*.py")]
    newest = max((file.stat().st_mtime for file in sources if b"numba" in file.read_bytes()), default=0.0)
    forgotten = 0
    for folder in (*packages, *([Path(cache)] if cache else [])):
        for index in folder.rglob(_INDEX):
            try:
                if index.stat().st_mtime < newest:
                    index.unlink()
                    forgotten += 1
            except OSError:
                continue
    return forgotten
