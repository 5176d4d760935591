"""The short way: the two routes that are asked most, answered without the framework.

Only a plain success is answered here. Anything else (other routes and methods, whatever is wrong with a
request) goes the long way through middleware and routing, which calls the same `answers` and so says the same.
Where the history is at hand, there is nothing to wait for, and the server's protocol gets the answer at once.
"""

import itertools
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from service import answers, metrics, render
from service.answers import Pending, Question
from service.attempt import attempt
from service.history import Lookup
from service.parameters import Asked
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
class _Read:
    """A hot route's request, before its history is known."""

    route: str
    question: Question
    serving: Serving
    asked: Asked[Any]


@record
class _Hot:
    """A hot route's request."""

    route: str
    question: Question
    pending: Pending

    @classmethod
    def of(cls, read: _Read, stored: Lookup) -> "_Hot":
        """Add the history."""
        return cls(read.route, read.question, Pending(read.serving, read.asked, stored))


class HotApp(FastAPI):
    """An app whose hottest routes are served before its middleware."""

    def at_once(self, scopes: Sequence[Scope]) -> Iterator[Mapping[int, Written | None]]:
        """Answer requests of hot routes whose histories are at hand, by their places; None: that goes the long way.

        What a generator answers together comes together, and as soon as it is there. Till then every step is taken for
        all before the next one: what it needs of the processor's caches is there for all but the first, while the
        matrices of a model throw out whatever else was in them.
        """
        read = [attempt(self._read_with_history, scope) for scope in scopes]
        yield {
            place: _written_or_none(scopes[place], None, one)
            for place, one in enumerate(read)
            if not isinstance(one, _Hot)
        }
        for question in answers.HOT.values():
            own = {place: one for place, one in enumerate(read) if isinstance(one, _Hot) and one.question is question}
            for found in _found(question, self.state.holder, own):
                yield {place: _written_or_none(scopes[place], own[place], one) for place, one in found.items()}

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
            read = scope.get("state", _NO_STATE).get(_READ) or self._read(scope)
            if read is None:
                return None
            hot = _Hot.of(read, await read.serving.history.get(read.asked.request.user_id))
            return _written_or_none(scope, hot, next(_found(hot.question, self.state.holder, {0: hot}))[0])
        except Exception:  # the long way meets it again, and says what it is
            return None

    def _read_with_history(self, scope: Scope) -> _Hot | None:
        read = self._read(scope)
        if read is None:
            return None
        stored = read.serving.history.at_hand(read.asked.request.user_id)
        if stored is None:
            scope.setdefault("state", {})[_READ] = read
            return None
        return _Hot.of(read, stored)

    def _read(self, scope: Scope) -> _Read | None:
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
        return _Read(route, question, serving, asked)


def _found(question: Question, holder: Holder, own: Mapping[int, _Hot]) -> Iterator[Mapping[int, Any]]:
    """Give what is found for requests of one kind, by their places; an error for all that are left where it fails."""
    places, answered = list(own), set[int]()
    try:
        if own:
            for found in question.find(holder, [one.pending for one in own.values()]):
                by_place = {places[row]: one for row, one in found.items()}
                answered.update(by_place)
                yield by_place
    except Exception as error:
        yield dict.fromkeys(own.keys() - answered, error)


def _written_or_none(scope: Scope, hot: _Hot | None, found: Any) -> Written | None:
    """Write an answer; one that failed goes the long way, which meets the error again and says what it is."""
    if hot is not None and not isinstance(found, Exception):
        found = attempt(_written, scope, hot, found)
    if isinstance(found, Exception):
        scope.setdefault("state", {})[_LONG_WAY] = True
        return None
    written: Written | None = found
    return written


def _written(scope: Scope, hot: _Hot, found: Any) -> Written:
    body = hot.question.body(hot.pending, found)
    content = render.dumps(body)
    metrics.answered(metrics.HOT_ROUTES[hot.route], 200, scope, body)
    headers = (
        _JSON,
        (b"content-length", b"%d" % len(content)),
        (b"x-model-release", hot.pending.serving.header),
        (REQUEST_ID, request_id(scope)),
    )
    return headers, content


def request_id(scope: Scope) -> bytes:
    """Return the caller's id of a request if it is sane, else a new one."""
    for name, value in scope["headers"]:
        if name == REQUEST_ID:
            return value if _SANE_REQUEST_ID.fullmatch(value) else new_request_id()
    return new_request_id()


def new_request_id() -> bytes:
    """Return an id that no other request has: what is this worker's own, and a number."""
    return b"%b%010x" % (_OWN_ID, next(_NUMBERS))
