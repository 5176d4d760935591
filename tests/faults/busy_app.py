"""An application whose every answer takes a fixed amount of CPU on the event loop, behind our protocol and gate."""

import contextlib
import os

from service.gate import Gate
from service.protocol import GATE

SPINS = int(os.environ.get("BUSY_SPINS", "20000"))
GATED = os.environ.get("BUSY_GATE", "1") == "1"


def work():
    total = 0
    for number in range(SPINS):
        total += number
    return total


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        if GATED:
            scope["state"][GATE] = Gate(0.1)
        await send({"type": "lifespan.startup.complete"})
        with contextlib.suppress(Exception):
            await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    work()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


def make():
    return app
