"""The short way: the two routes that are asked most, answered without the framework.

Only a plain success is answered here. Anything else (other routes and methods, whatever is wrong with a
request) goes the long way through middleware and routing, which calls the same `answers` and so says the same.
"""

import os
import re

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from service import answers, metrics, render
from service.serving import Holder

REQUEST_ID = b"x-request-id"
_SANE_REQUEST_ID = re.compile(b"[!-~]{1,128}")
_JSON = (b"content-type", b"application/json")


class HotApp(FastAPI):
    """An app whose hottest routes are served before its middleware."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer at once where that is possible."""
        if scope["type"] != "http" or scope["method"] != "GET" or not await self._answer(scope, send):
            await super().__call__(scope, receive, send)

    async def _answer(self, scope: Scope, send: Send) -> bool:
        """Answer a hot route; False: not one, or something is wrong with it, and nothing was sent."""
        _, _, path = scope["path"].partition("/")
        route, _, user = path.partition("/")
        answer = answers.HOT.get(route)
        if answer is None or not user or "/" in user or "\ufffd" in user or scope.get("root_path"):
            return False
        holder: Holder = self.state.holder
        try:
            serving = holder.serving_for(user)
            body = await answer(holder, serving, user, scope["query_string"])
            content = render.dumps(body)
        except Exception:  # the long way meets it again, and says what it is
            return False
        headers = [
            _JSON,
            (b"content-length", b"%d" % len(content)),
            (b"x-model-release", serving.header),
            (REQUEST_ID, request_id(scope)),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})
        metrics.answered(metrics.HOT_ROUTES[route], 200, scope, body)
        return True


def request_id(scope: Scope) -> bytes:
    """Return the caller's id of a request if it is sane, else a new one."""
    for name, value in scope["headers"]:
        if name == REQUEST_ID:
            return value if _SANE_REQUEST_ID.fullmatch(value) else new_request_id()
    return new_request_id()


def new_request_id() -> bytes:
    """Return an id that no other request has."""
    return os.urandom(12).hex().encode()
