"""Log lines on standard error: text for people, or one JSON object a line for machines."""

import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

_TEXT = "%(asctime)s %(levelname)s %(name)s %(message)s"
_REQUEST_ID = re.compile(r"\(request_id ([!-~]{1,128})\)")


class JSONFormatter(logging.Formatter):
    """One object a line: time (UTC), level, logger, message, pid, request_id where there is one, error."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        message = record.getMessage()
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": message,
            "pid": record.process,
        }
        if found := _REQUEST_ID.search(message):
            line["request_id"] = found[1]
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


FORMATTERS: Mapping[str, logging.Formatter] = {"text": logging.Formatter(_TEXT), "json": JSONFormatter()}


def install(name: str) -> None:
    """Log to standard error in one of FORMATTERS."""
    handler = logging.StreamHandler()
    handler.setFormatter(FORMATTERS[name])
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
