"""The outermost layer: request ids, HEAD, and the net under unexpected errors."""

import logging
import os
import re

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import problems

log = logging.getLogger(__name__)

HEADER = "x-request-id"
_SANE = re.compile("[!-~]{1,128}")


class EdgeMiddleware:
    """Pure ASGI, because it is on the path of every request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Give a request an id, answer HEAD as GET without a body, turn a crash into a problem."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _request_id(scope)
        head = scope["method"] == "HEAD"
        # a copy: the server itself must still see HEAD
        scope = {**scope, "state": {**scope.get("state", {}), "request_id": request_id}}
        if head:
            scope["method"] = "GET"
        started = False

        async def send_on(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message)[HEADER] = request_id
            elif head:
                message = {**message, "body": b""}
            await send(message)

        try:
            await self.app(scope, receive, send_on)
        except ClientDisconnect:
            log.info("the client left before its request was whole (request_id %s)", request_id)
        except Exception:
            log.exception("%s %s failed (request_id %s)", scope["method"], scope["path"], request_id)
            if started:
                raise
            await problems.unhandled(Request(scope))(scope, receive, send_on)


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).get(HEADER, "")
    return given if _SANE.fullmatch(given) else os.urandom(12).hex()
