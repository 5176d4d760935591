"""/docs without a CDN: three static files that show what /openapi.json says."""

from collections.abc import Mapping
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from service import openapi, render
from service.serving import Holder

_FOLDER = Path(__file__).parent / "ui"
_TYPES: Mapping[str, str] = {
    "docs.html": "text/html",
    "docs.css": "text/css",
    "docs.js": "text/javascript",
}
_FILES: Mapping[str, bytes] = {name: (_FOLDER / name).read_bytes() for name in _TYPES}
_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}

router = APIRouter(include_in_schema=False)


@router.get("/")
async def get_root() -> Response:
    """Show a visitor the documentation."""
    return RedirectResponse("/docs")


@router.get("/docs")
async def get_docs() -> Response:
    """Serve the page."""
    return _file("docs.html")


@router.get("/ui/{name}")
async def get_ui(request: Request) -> Response:
    """Serve a file of the page."""
    return _file(request.path_params["name"])


@router.get("/openapi.json")
async def get_openapi(request: Request) -> Response:
    """Serve the document, with the id types of the release that is served."""
    holder: Holder = request.app.state.holder
    release = holder.serving.release if holder.release_name else None
    types = (release.users.type, release.items.type) if release else (None, None)
    return Response(render.dumps(openapi.document(request.app, *types)), media_type="application/json")


def _file(name: str) -> Response:
    if name not in _FILES:
        raise HTTPException(404)
    return Response(_FILES[name], headers=dict(_HEADERS), media_type=_TYPES[name])
