"""Errors as RFC 9457 problem details: the one place where domain errors become HTTP."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from service.errors import (
    AdminOffError,
    CandgenError,
    HistoryReadOnlyError,
    HistoryUnavailableError,
    InvalidRequestError,
    NotAbleError,
    NotReadyError,
    NotWritableError,
    StoreError,
    UnknownCGError,
    UnknownItemError,
    WrongKeyError,
)
from service.parameters import InvalidParametersError

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = "1"
EXTRA_HEADERS: Mapping[int, Mapping[str, str]] = {
    401: {"WWW-Authenticate": 'ApiKey header="X-API-Key"'},
    503: {"Retry-After": RETRY_SECONDS},
}
OVERLOADED = "Overloaded"

STATUSES: Mapping[type[CandgenError], tuple[int, str]] = {
    InvalidParametersError: (422, "Invalid parameters"),
    InvalidRequestError: (422, "Invalid parameters"),
    NotAbleError: (422, "Not possible with this candidate generator"),
    UnknownCGError: (404, "Unknown candidate generator"),
    UnknownItemError: (404, "Unknown item"),
    NotReadyError: (503, "Not ready"),
    StoreError: (503, "Store not readable"),
    NotWritableError: (409, "Store not writable"),
    HistoryReadOnlyError: (409, "History is read-only"),
    HistoryUnavailableError: (503, "History not available"),
    AdminOffError: (403, "Admin routes are off"),
    WrongKeyError: (401, "Wrong key"),
    CandgenError: (500, "Internal error"),
}
"""Status and title of every domain error; a class not listed takes those of its nearest base."""


def problem(error: CandgenError, request: Request) -> dict[str, Any]:
    """Return the problem details of a domain error."""
    status, title = next(STATUSES[base] for base in type(error).__mro__ if base in STATUSES)
    body = _body(status, title, str(error), request)
    if isinstance(error, InvalidParametersError):
        body["errors"] = [{"name": fault.name, "in": fault.where, "message": fault.message} for fault in error.faults]
    elif isinstance(error, InvalidRequestError):
        body["errors"] = [{"name": error.name, "in": "request", "message": error.message}]
    elif isinstance(error, NotAbleError):
        body["errors"] = [{"name": "cg", "in": "query", "message": str(error)}]
    if isinstance(error, UnknownCGError | NotAbleError):
        body["valid"] = error.valid
    return body


def unhandled(request: Request) -> Response:
    """Return the answer to a request that met a fault of ours; the log has the traceback."""
    detail = "an unexpected error; the service's log has it under this request_id"
    return _response(_body(500, "Internal error", detail, request))


def install(app: FastAPI) -> None:
    """Make the app answer errors with problem details."""

    async def on_domain_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, CandgenError)  # noqa: S101 (a type narrowing)
        return _response(problem(error, request))

    async def on_http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 (a type narrowing)
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            return _method_not_allowed(request)
        title = HTTPStatus(error.status_code).phrase
        detail = error.detail
        if error.status_code == HTTPStatus.NOT_FOUND:
            detail = "no such path; /docs lists all of them"
        return _response(_body(error.status_code, title, detail, request), error.headers)

    app.add_exception_handler(CandgenError, on_domain_error)
    app.add_exception_handler(HTTPException, on_http_error)


def _method_not_allowed(request: Request) -> Response:
    allowed = _allowed_methods(request)
    if request.method == "OPTIONS":
        return Response(status_code=204, headers={"Allow": allowed})
    detail = f"{request.method[:20]} is not possible here; possible: {allowed}"
    return _response(_body(405, "Method Not Allowed", detail, request), {"Allow": allowed})


def _allowed_methods(request: Request) -> str:
    """Return what all routes of this path together take."""
    methods = {"OPTIONS"}
    for route in request.app.state.routes:
        if route.path_regex.match(request.url.path):
            methods |= route.methods
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))


def _body(status: int, title: str, detail: str, request: Request) -> dict[str, Any]:
    instance = request.scope.get("raw_path", b"").decode("latin-1")[:500]
    return bare(status, title, detail, request.scope["state"]["request_id"], instance)


def bare(status: int, title: str, detail: str, request_id: str, instance: str = "") -> dict[str, Any]:
    """Return problem details for what never became a request of the application."""
    return {
        "type": "about:blank" if title == HTTPStatus(status).phrase else f"/docs#{_slug(title)}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": instance,
        "request_id": request_id,
    }


def kinds() -> list[dict[str, Any]]:
    """Return the kinds of problems that have a `type` of their own, for /docs."""
    return [
        {"slug": _slug(title), "title": title, "status": status}
        for status, title in dict.fromkeys([*STATUSES.values(), (503, OVERLOADED)])
    ]


def _slug(title: str) -> str:
    return "-".join(title.lower().split())


def _response(body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    extra = EXTRA_HEADERS.get(body["status"], {})
    return Response(orjson.dumps(body), body["status"], headers={**(headers or {}), **extra}, media_type=MEDIA_TYPE)
