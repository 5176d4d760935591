"""The short way: the two routes that are asked most, answered without the framework.

Only a plain success is answered here. Anything else (other routes and methods, whatever is wrong with a
request) goes the long way through middleware and routing, which calls the same `answers` and so says the same.
Where the history is at hand, there is nothing to wait for, and the server's protocol gets the answer at once.
"""

import itertools
import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from service import answers, metrics, render
from service.answers import Question
from service.history import Lookup
from service.record import record
from service.serving import Holder, Serving

REQUEST_ID = b"x-request-id"
_SANE_REQUEST_ID = re.compile(b"[!-~]{1,128}")
_OWN_ID, _NUMBERS = os.urandom(7).hex().encode(), itertools.count()
"""A worker starts as a process of its own, so no two have the same; to draw anew for every request costs more."""
_JSON = (b"content-type", b"application/json")
_LONG_WAY, _READ = "long way", "read"
"""In the state of a request: that the short way could not answer it; what was read, where its history is awaited."""

_NO_STATE: Mapping[str, Any] = {}

Headers = Sequence[tuple[bytes, bytes]]
Written = tuple[Headers, bytes]
"""Headers and content of an answer 200."""


@record
class _Hot:
    """A hot route's request that has been read."""

    route: str
    question: Question
    holder: Holder
    serving: Serving
    asked: Any

    def find(self, stored: Lookup) -> Any:
        return self.question.find(self.holder, self.serving, self.asked, stored)


class HotApp(FastAPI):
    """An app whose hottest routes are served before its middleware."""

    def at_once(self, scopes: Sequence[Scope]) -> list[Written | None]:
        """Answer requests of hot routes whose histories are at hand; None: that one has to go the long way.

        Every step is taken for all requests before the next one: what it needs of the processor's caches is there
        for all but the first, while the matrices of a model throw out whatever else was in them.
        """
        read = _each(lambda scope, _: self._read_with_history(scope), scopes, scopes)
        found = _each(lambda _, one: (one[0], one[0].find(one[1])), scopes, read)
        return _each(lambda scope, one: self._written(one[0], one[1], scope), scopes, found)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the short way where that is possible."""
        answer = (
            await self._answer(scope)
            if scope["type"] == "http" and _LONG_WAY not in scope.get("state", _NO_STATE)
            else None
        )
        if answer is None:
            await super().__call__(scope, receive, send)
            return
        headers, content = answer
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _answer(self, scope: Scope) -> Written | None:
        """As `at_once`, but wait for the history."""
        try:
            hot = scope.get("state", _NO_STATE).get(_READ) or self._read(scope)
            if hot is None:
                return None
            stored = await hot.serving.history.get(hot.asked.request.user_id)
            return self._written(hot, hot.find(stored), scope)
        except Exception:  # the long way meets it again, and says what it is
            return None

    def _read_with_history(self, scope: Scope) -> tuple[_Hot, Lookup] | None:
        hot = self._read(scope)
        if hot is None:
            return None
        stored = hot.serving.history.at_hand(hot.asked.request.user_id)
        if stored is None:
            scope.setdefault("state", {})[_READ] = hot
            return None
        return hot, stored

    def _read(self, scope: Scope) -> _Hot | None:
        """Read a request; None: not one of a hot route."""
        if scope["method"] != "GET" or scope.get("root_path"):
            return None
        _, route, user = scope["path"].split("/", 2) if scope["path"].count("/") == 2 else ("", "", "")
        question = answers.HOT.get(route)
        if question is None or not user or "\ufffd" in user:
            return None
        holder: Holder = self.state.holder
        serving = holder.serving_for(user)
        asked = question.read(user, scope["query_string"], serving.release, serving.queries)
        return _Hot(route, question, holder, serving, asked)

    def _written(self, hot: _Hot, found: Any, scope: Scope) -> Written:
        body = hot.question.body(hot.serving, hot.asked, found)
        content = render.dumps(body)
        metrics.answered(metrics.HOT_ROUTES[hot.route], 200, scope, body)
        headers = (
            _JSON,
            (b"content-length", b"%d" % len(content)),
            (b"x-model-release", hot.serving.header),
            (REQUEST_ID, request_id(scope)),
        )
        return headers, content


def _each(step: Callable[[Scope, Any], Any], scopes: Sequence[Scope], values: Sequence[Any]) -> list[Any]:
    """Take one step for every value that there is; a request that fails goes the long way, which says why."""
    results: list[Any] = []
    for scope, value in zip(scopes, values, strict=True):
        try:
            results.append(None if value is None else step(scope, value))
        except Exception:
            scope.setdefault("state", {})[_LONG_WAY] = True
            results.append(None)
    return results


def request_id(scope: Scope) -> bytes:
    """Return the caller's id of a request if it is sane, else a new one."""
    for name, value in scope["headers"]:
        if name == REQUEST_ID:
            return value if _SANE_REQUEST_ID.fullmatch(value) else new_request_id()
    return new_request_id()


def new_request_id() -> bytes:
    """Return an id that no other request has: what is this worker's own, and a number."""
    return b"%b%010x" % (_OWN_ID, next(_NUMBERS))
