"""The playground at `/`, and the routes under /playground that give its page what others do not.

They only read, render ids as strings (JavaScript loses digits), and are no part of the interface for services.
"""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from service import parameters, render
from service import playground_view as view
from service.body import read_json
from service.errors import InvalidRequestError
from service.generate import generate
from service.history import HistoryProvider
from service.mix import mix
from service.other_releases import OtherReleases
from service.registry import Release
from service.routes import DirectRoute
from service.serving import Holder
from service.ui_files import page

router = APIRouter(route_class=DirectRoute, include_in_schema=False)
without = APIRouter(route_class=DirectRoute, include_in_schema=False)
"""What takes its place when the playground is switched off."""


@without.get("/")
async def get_root(_: Request) -> Response:
    """Show a visitor the documentation."""
    return RedirectResponse("/docs")


@router.get("/")
async def get_page(_: Request) -> Response:
    """Serve the page."""
    return page("playground.html")


@router.get("/playground/about")
async def get_about(request: Request) -> Response:
    """Say what the page can offer: users to try, contexts, days; and what the process holds."""
    return _json(view.about(_holder(request).serving))


@router.get("/playground/user")
async def get_user(request: Request) -> Response:
    """Return the newest items of a user's history: `?user_id=`, and `release=` for one that is not served."""
    query = request.query_params
    release, provider = await _release(request, query.get("release"))
    user_id = parameters.from_body({"user_id": query.get("user_id")}, release).request.user_id
    return _json(view.user(release, user_id, await provider.get(user_id)))


@router.post("/playground/items")
async def post_items(request: Request) -> Response:
    """Return names and categories of `ids`, as far as the data has them."""
    release, _, body = await _asked(request)
    return _json(view.items(release, body.get("ids")))


@router.post("/playground/candidates")
async def post_candidates(request: Request) -> Response:
    """Answer POST /candidates from any release of the store."""
    release, provider, body = await _asked(request)
    asked = parameters.from_body(body, release)
    found = generate(release, asked.request, await provider.get(asked.request.user_id))
    return _json(render.answer(release, asked.request, found, True))


@router.post("/playground/mix")
async def post_mix(request: Request) -> Response:
    """Answer POST /mix from any release of the store."""
    release, provider, body = await _asked(request)
    asked = parameters.mix_from_body(body, release)
    found = mix(release, asked.request, await provider.get(asked.request.user_id), _holder(request).watch)
    return _json(render.mix(release, asked.request, found, True))


@router.post("/playground/curves")
async def post_curves(request: Request) -> Response:
    """Take the body of POST /mix; return MixiGen's score curves and the quotas that they imply."""
    release, provider, body = await _asked(request)
    asked = parameters.mix_from_body(body, release).request
    return _json(view.curves(release, asked, await provider.get(asked.user_id)))


async def _asked(request: Request) -> tuple[Release, HistoryProvider, dict[str, Any]]:
    """Read a body; return the release it names (the served one if it names none), its histories, and the rest."""
    body = dict(parameters.require_object(await read_json(request)))
    release, provider = await _release(request, body.pop("release", None))
    return release, provider, body


async def _release(request: Request, name: object) -> tuple[Release, HistoryProvider]:
    serving = _holder(request).serving
    if name in (None, "", serving.release.name):
        return serving.release, serving.history
    if not isinstance(name, str):
        raise InvalidRequestError("release", f"{str(name)[:60]!r} is not the name of a release")
    others: OtherReleases = request.app.state.others
    release = await others.get(name)
    return release, release.history


def _json(body: object) -> Response:
    return Response(render.dumps(body), media_type="application/json", headers={"Cache-Control": "no-store"})


def _holder(request: Request) -> Holder:
    holder: Holder = request.app.state.holder
    return holder
