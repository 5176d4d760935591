"""HTTP handlers for the operator; all want the key."""

import asyncio

from fastapi import APIRouter, Request, Response

from service import openapi, parameters, render, schemas
from service.errors import NotWritableError, StoreError
from service.ids import parse_id
from service.key import require_admin
from service.parameters import Fault, InvalidParametersError
from service.routes import DirectRoute
from service.serving import Holder
from service.store import BLOCKED
from service.swap import Swapper

router = APIRouter(route_class=DirectRoute, prefix="/admin")


@router.post("/reload", **openapi.written(schemas.ReloadAccepted, openapi.ADMIN, 202))
async def post_reload(request: Request) -> Response:
    """Let every worker look at the store now, also at a release that it has refused before."""
    require_admin(request)
    holder: Holder = request.app.state.holder
    current = await asyncio.to_thread(holder.store.current)
    return await _look_anew(request, current)


@router.post("/rollback", **openapi.written(schemas.ReloadAccepted, openapi.ADMIN, 202))
async def post_rollback(request: Request) -> Response:
    """Serve the parent of the current release; the workers swap it in."""
    require_admin(request)
    holder: Holder = request.app.state.holder
    try:
        current = await asyncio.to_thread(holder.store.rollback)
    except StoreError as error:
        command = f"python -m training rollback --store {holder.store.root}"
        raise NotWritableError(f"{error}; where the store can be written, run `{command}`") from error
    return await _look_anew(request, current)


@router.put("/blocked/{item_id}", **openapi.written(schemas.Blocked, openapi.ADMIN_ITEM))
async def put_blocked(request: Request) -> Response:
    """Take an item off: within a second no worker returns it any more, whatever the release."""
    return await _set_blocked(request, True)


@router.delete("/blocked/{item_id}", **openapi.written(schemas.Blocked, openapi.ADMIN_ITEM))
async def delete_blocked(request: Request) -> Response:
    """Put an item back."""
    return await _set_blocked(request, False)


async def _set_blocked(request: Request, blocked: bool) -> Response:
    require_admin(request)
    holder: Holder = request.app.state.holder
    swapper: Swapper = request.app.state.swapper
    text = parameters.decoded_path_value(request.path_params["item_id"], request.scope.get("raw_path", b""))
    try:
        item = parse_id(text, holder.serving.release.items.type)
        if text != text.strip() or "\n" in text:
            raise ValueError(
                f"{text[:60]!r} cannot be a line of {BLOCKED}: it begins or ends with space, or holds a newline"
            )
    except ValueError as error:
        raise InvalidParametersError([Fault("item_id", "path", str(error))]) from None
    try:
        await asyncio.to_thread(holder.store.set_blocked, text, blocked)
    except NotWritableError as error:
        where = holder.store.root / BLOCKED
        raise NotWritableError(f"{error}; where the store can be written, edit {where}: one id a line") from error
    await asyncio.to_thread(swapper.look_for_blocked)
    return Response(render.dumps({"item_id": item, "blocked": blocked}), media_type="application/json")


async def _look_anew(request: Request, current: str | None) -> Response:
    holder: Holder = request.app.state.holder
    swapper: Swapper = request.app.state.swapper
    await asyncio.to_thread(holder.workers.ask_reload)
    swapper.wake()
    return Response(render.dumps({"status": "accepted", "current": current}), 202, media_type="application/json")
