"""The static files of the pages (/docs, the playground): read once, served with a strict policy, no CDN."""

from collections.abc import Mapping
from pathlib import Path

from fastapi import HTTPException, Response

_FOLDER = Path(__file__).parent / "ui"
_TYPES: Mapping[str, str] = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_FILES: Mapping[str, bytes] = {path.name: path.read_bytes() for path in _FOLDER.iterdir() if path.suffix in _TYPES}
_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


def page(name: str) -> Response:
    """Return a file of `ui/`; 404 for what is not one."""
    if name not in _FILES:
        raise HTTPException(404)
    return Response(_FILES[name], headers=dict(_HEADERS), media_type=_TYPES[Path(name).suffix])
