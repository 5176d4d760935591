"""A resumable download with progress, checked by size and as a zip."""

import http
import http.client
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import BinaryIO

from training.errors import DataError
from training.progress import track

CHUNK_BYTES = 1 << 20
TIMEOUT_SECONDS = 60
ATTEMPTS = 5


def download(url: str, path: Path) -> Path:
    """Fetch the zip at `url` unless `path` is there; an interrupted try is continued where it stopped."""
    if path.is_file() and zipfile.is_zipfile(path):
        return path
    partial = path.with_name(path.name + ".part")
    reason = ""
    for _ in range(ATTEMPTS):
        try:
            total = _continue(url, partial)
        except (OSError, http.client.HTTPException) as error:
            reason = str(error) or type(error).__name__
            if isinstance(error, urllib.error.HTTPError) and error.code < 500:
                break  # asking again would not help
            continue
        size = partial.stat().st_size
        if total is None or size == total:
            return _finish(partial, path, url)
        reason = f"{size:,} of {total:,} bytes arrived"
    raise DataError(f"{url}: {reason}; wanted a zip; run it again to continue, or fetch it yourself and give --path")


def _continue(url: str, partial: Path) -> int | None:
    """Append what is missing to `partial`; returns the size of the whole, None if the server does not say."""
    have = partial.stat().st_size if partial.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)  # noqa: S310
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return _whole_size(error.headers, have)  # nothing is missing, or the part is of another file
        raise
    with response:
        resumed = have if response.status == http.HTTPStatus.PARTIAL_CONTENT else 0
        length = response.headers.get("Content-Length")
        total = resumed + int(length) if length else None
        chunks = None if total is None else -(-(total - resumed) // CHUNK_BYTES)
        with partial.open("ab" if resumed else "wb") as file:
            for chunk in track(_chunks(response), "downloading (MiB)", total=chunks):
                file.write(chunk)
    return total


def _whole_size(headers: Message, have: int) -> int:
    """From `Content-Range: bytes */N`, where the server says it."""
    _, _, size = headers.get("Content-Range", "").partition("/")
    return int(size) if size.isdecimal() else have


def _chunks(response: BinaryIO) -> Iterator[bytes]:
    while chunk := response.read(CHUNK_BYTES):
        yield chunk


def _finish(partial: Path, path: Path, url: str) -> Path:
    if not zipfile.is_zipfile(partial):
        partial.unlink()
        raise DataError(f"{url}: what arrived is not a zip; fetch it with a browser and give --path")
    return partial.replace(path)
