"""The playground at `/`, and the routes under /playground that give its page what others do not.

They only read, render ids as strings (JavaScript loses digits), and are no part of the interface for services.
"""

from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from service import answers, parameters, render
from service import playground_view as view
from service.body import read_json
from service.errors import InvalidRequestError
from service.other_releases import OtherReleases
from service.routes import DirectRoute
from service.serving import Holder, Serving
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
    serving = await _serving(request, query.get("release"))
    user_id = parameters.from_body({"user_id": query.get("user_id")}, serving.release).request.user_id
    return _json(view.user(serving.release, user_id, (await serving.history.get(user_id)).history))


@router.post("/playground/items")
async def post_items(request: Request) -> Response:
    """Return names and categories of `ids`, as far as the data has them."""
    serving, body = await _asked(request)
    return _json(view.items(serving.release, body.get("ids")))


@router.post("/playground/candidates")
async def post_candidates(request: Request) -> Response:
    """Answer POST /candidates from any release of the store."""
    serving, body = await _asked(request)
    asked = parameters.from_body(body, serving.release)
    return _json(
        await answers.to_asked(answers.CANDIDATES, _holder(request), serving, replace(asked, ids_as_strings=True))
    )


@router.post("/playground/mix")
async def post_mix(request: Request) -> Response:
    """Answer POST /mix from any release of the store."""
    serving, body = await _asked(request)
    asked = parameters.mix_from_body(body, serving.release)
    return _json(await answers.to_asked(answers.MIX, _holder(request), serving, replace(asked, ids_as_strings=True)))


@router.post("/playground/curves")
async def post_curves(request: Request) -> Response:
    """Take the body of POST /mix; return MixiGen's score curves and the quotas that they imply."""
    serving, body = await _asked(request)
    asked = parameters.mix_from_body(body, serving.release).request
    return _json(view.curves(serving.release, asked, (await serving.history.get(asked.user_id)).history))


async def _asked(request: Request) -> tuple[Serving, dict[str, Any]]:
    """Read a body; return what serves the release it names (the served one if it names none), and the rest."""
    body = dict(parameters.require_object(await read_json(request)))
    return await _serving(request, body.pop("release", None)), body


async def _serving(request: Request, name: object) -> Serving:
    serving = _holder(request).serving
    if name in (None, "", serving.release.name):
        return serving
    if not isinstance(name, str):
        raise InvalidRequestError("release", f"{str(name)[:60]!r} is not the name of a release")
    others: OtherReleases = request.app.state.others
    release = await others.get(name)
    return Serving(release, release.history)


def _json(body: object) -> Response:
    return Response(render.dumps(body), media_type="application/json", headers={"Cache-Control": "no-store"})


def _holder(request: Request) -> Holder:
    holder: Holder = request.app.state.holder
    return holder
