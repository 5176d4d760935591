"""The outermost layer: request ids, HEAD, and the net under unexpected errors."""

import logging

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import metrics, problems
from service.hot import REQUEST_ID, request_id

log = logging.getLogger(__name__)

_HEADER = REQUEST_ID.decode()


class EdgeMiddleware:
    """Pure ASGI, because it is on the path of every request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Give a request an id, answer HEAD as GET without a body, turn a crash into a problem."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        own_id = request_id(scope).decode()
        head = scope["method"] == "HEAD"
        # a copy: the server itself must still see HEAD
        scope = {**scope, "state": {**scope.get("state", {}), "request_id": own_id}}
        if head:
            scope["method"] = "GET"
        status = 0

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[_HEADER] = own_id
            elif head:
                message = {**message, "body": b""}
            await send(message)

        try:
            await self.app(scope, receive, send_on)
        except ClientDisconnect:
            log.info("the client left before its request was whole (request_id %s)", own_id)
        except Exception:
            log.exception("%s %s failed (request_id %s)", scope["method"], scope["path"], own_id)
            if status:
                raise
            await problems.unhandled(Request(scope))(scope, receive, send_on)
        finally:
            route = getattr(scope.get("route"), "path", metrics.NO_ROUTE)
            metrics.answered(route, status or metrics.CLIENT_LEFT, scope, scope["state"].get("answer"))
