"""What the server itself answers, before any application: the same body as every other error."""

import os

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service import problems


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol with a problem document for requests that cannot be parsed."""

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are no HTTP request, or a URL above the parser's 64 KB, and hang up."""
        request_id = os.urandom(12).hex()
        content = orjson.dumps(
            {
                "type": "about:blank",
                "title": "Bad Request",
                "status": 400,
                "detail": f"{msg} Not HTTP, or a URL of more than 64 KB: send long lists by POST.",
                "instance": "",
                "request_id": request_id,
            }
        )
        head = (
            "HTTP/1.1 400 Bad Request\r\n"
            f"content-type: {problems.MEDIA_TYPE}\r\n"
            f"content-length: {len(content)}\r\n"
            f"x-request-id: {request_id}\r\n"
            "connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + content)
        self.transport.close()
