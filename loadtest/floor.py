"""What the machine and the framework cost when there is nothing to compute: apps that answer a constant.

    python -m loadtest.floor --app fastapi --bytes 3600

The service's own server settings, so that a ratio to these apps is a ratio of applications.
"""

import argparse
import os
from typing import Any

import uvicorn
from fastapi import FastAPI, Response

from service.__main__ import SERVER_OPTIONS
from service.listening import listen

BYTES = "LOADTEST_FLOOR_BYTES"


def _content() -> bytes:
    size = int(os.environ.get(BYTES, "5000"))
    return b'{"items":"' + b"x" * max(0, size - 12) + b'"}'


def fastapi_app() -> FastAPI:
    """Return a FastAPI app whose one route has a typed path and two typed query parameters."""
    app, content = FastAPI(), _content()

    @app.get("/candidates/{user_id}")
    async def constant(user_id: int, cg: str = "ease", n: int = 100) -> Response:
        return Response(content, media_type="application/json")

    return app


def asgi_app() -> Any:
    """Return the same as a bare ASGI callable: no routing, no parsing."""
    content = _content()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    start = {"type": "http.response.start", "status": 200, "headers": headers}
    body = {"type": "http.response.body", "body": content}

    async def constant(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send(start)
            await send(body)

    return constant


APPS = {"fastapi": "loadtest.floor:fastapi_app", "asgi": "loadtest.floor:asgi_app"}


def main() -> None:
    """Serve one of the apps on a free port, and print where."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--app", choices=APPS, default="fastapi")
    parser.add_argument("--bytes", type=int, default=5000, help="size of the constant body")
    args = parser.parse_args()
    os.environ[BYTES] = str(args.bytes)
    listener = listen("127.0.0.1", 0)
    print(f"the floor {args.app} serves on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(APPS[args.app], factory=True, **SERVER_OPTIONS)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
