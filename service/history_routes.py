"""HTTP handlers that write histories."""

from fastapi import APIRouter, Request, Response

from service import openapi, parameters, render, schemas
from service.body import read_json
from service.errors import HistoryReadOnlyError
from service.history_body import read_events
from service.history_live import EventStore
from service.ids import Id, parse_id
from service.key import require_writer
from service.parameters import Fault, InvalidParametersError
from service.registry import Release
from service.routes import DirectRoute
from service.serving import Holder

router = APIRouter(route_class=DirectRoute)


@router.post("/history/{user_id}", **openapi.written(schemas.Accepted, openapi.HISTORY_BODY, 202))
async def post_history(request: Request) -> Response:
    """Add interactions of a user; the next answer of any worker builds on them. With X-API-Key where a key is set."""
    store, user, release = _writable(request)
    events = read_events(await read_json(request), release)
    accepted = await store.append(user, events)
    return Response(render.dumps({"accepted": accepted}), 202, media_type="application/json")


@router.delete("/history/{user_id}", **openapi.written(schemas.Forgotten, openapi.HISTORY_USER))
async def delete_history(request: Request) -> Response:
    """Forget a user: the events, and for good whatever releases know. With X-API-Key where a key is set."""
    store, user, _ = _writable(request)
    await store.forget(user)
    return Response(render.dumps({"user_id": user, "forgotten": True}), media_type="application/json")


def _writable(request: Request) -> tuple[EventStore, Id, Release]:
    require_writer(request)
    holder: Holder = request.app.state.holder
    release = holder.serving.release
    if holder.events is None:
        raise HistoryReadOnlyError("histories are those of the release; start the service with CANDGEN_HISTORY=redis")
    text = parameters.decoded_path_value(request.path_params["user_id"], request.scope.get("raw_path", b""))
    try:
        return holder.events, parse_id(text, release.users.type), release
    except ValueError as error:
        raise InvalidParametersError([Fault("user_id", "path", str(error))]) from None
