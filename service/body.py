"""Reads a JSON body, up to a limit."""

from typing import Any

import orjson
from fastapi import HTTPException, Request

MAX_BODY_BYTES = 1 << 20
_DIGITS = 12


async def read_json(request: Request) -> Any:
    """Return the body's JSON value.

    Raises:
        HTTPException: 400 not JSON, 413 too large, 415 declared to be something else.
    """
    declared = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if declared != "application/json":
        raise HTTPException(415, f"the body is {declared[:60]!r}; send it as application/json")
    content = await _read_up_to_limit(request)
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise HTTPException(400, f"the body is not valid JSON: {error}") from None


async def _read_up_to_limit(request: Request) -> bytes:
    too_large = HTTPException(
        413,
        f"the body is larger than {MAX_BODY_BYTES} bytes; send less, or several requests",
        headers={"Connection": "close"},
    )
    declared = request.headers.get("content-length", "0")
    if len(declared) > _DIGITS or (declared.isdecimal() and int(declared) > MAX_BODY_BYTES):
        raise too_large
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > MAX_BODY_BYTES:
            raise too_large
    return bytes(content)
