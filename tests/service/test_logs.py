"""Log lines for machines."""

import logging
import sys

import orjson

from service.logs import JSONFormatter


def test_a_line_is_one_object_with_the_request_id():
    try:
        raise ValueError("two\nlines")
    except ValueError:
        record = logging.LogRecord("a.b", logging.ERROR, "f", 1, "%s (request_id %s)", ("x", "r-1"), sys.exc_info())
    line = JSONFormatter().format(record)
    assert "\n" not in line
    found = orjson.loads(line)
    assert (found["level"], found["logger"], found["message"]) == ("error", "a.b", "x (request_id r-1)")
    assert found["request_id"] == "r-1"
    assert "ValueError: two\nlines" in found["error"]
