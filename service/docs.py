"""/docs without a CDN: static files that show what /openapi.json says."""

from fastapi import APIRouter, Request, Response

from service import openapi, render
from service.serving import Holder
from service.ui_files import page

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def get_docs() -> Response:
    """Serve the page."""
    return page("docs.html")


@router.get("/ui/{name}")
async def get_ui(request: Request) -> Response:
    """Serve a file of a page."""
    return page(request.path_params["name"])


@router.get("/openapi.json")
async def get_openapi(request: Request) -> Response:
    """Serve the document, with the id types of the release that is served."""
    holder: Holder = request.app.state.holder
    release = holder.serving.release if holder.release_name else None
    types = (release.users.type, release.items.type) if release else (None, None)
    return Response(render.dumps(openapi.document(request.app, *types)), media_type="application/json")
