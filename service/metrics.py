"""What a worker counts, in plain lists and dicts: a request costs about a microsecond.

(`prometheus_client` in its multiprocess mode takes 9.5 µs for a labelled counter and histogram. Here every worker
counts for itself; `metrics_share` adds the workers up, `metrics_text` writes the exposition with that library.)
"""

import time
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import Any

BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Upper bounds of the latency histogram's buckets, in seconds; one more bucket is open."""
_RETURNED, _FALLBACK, _SUM, _FIRST = 0, 1, 2, 3
WIDTH = _FIRST + len(BOUNDS) + 1

NO_ROUTE, CLIENT_LEFT = "none", 499
"""The route of unknown paths; the status of requests whose client left before an answer."""
HOT_ROUTES = {"candidates": "/candidates/{user_id}", "mix": "/mix/{user_id}"}

Labels = tuple[str, ...]
COUNTERS: Mapping[str, tuple[Labels, str]] = {
    "degraded": (("route", "what"), "Answers that lack something, by what is lacking"),
    "mix_slots": (("cg",), "Items of blended lists, by the generator that supplied them"),
    "history_lookups": (("provider", "outcome"), "Histories asked for"),
    "shed": (("reason",), "Requests answered 503 at once because others were waiting"),
    "release_loads": (("outcome",), "Releases loaded or refused"),
    "mix_log": (("outcome",), "Lines of the mix log: written or dropped"),
}
"""Counters beside the requests: their labels and what they count."""
GAUGES: Mapping[str, tuple[Labels, str]] = {
    "release_info": (("release",), "1 for the release that the worker serves"),
    "release_load_seconds": ((), "What loading the served release took"),
    "loop_lag_seconds": ((), "How late the event loop came to a timer"),
    "resident_bytes": ((), "Resident memory, shared pages of a release included"),
    "private_bytes": ((), "Resident memory that belongs to the worker alone"),
    "threads": ((), "Threads"),
    "open_files": ((), "Open file descriptors"),
    "start_time_seconds": ((), "When the worker started, in unix seconds"),
}
"""Values of one worker: each is exposed with the worker's `pid`."""

_NO_STATE: Mapping[str, float] = {}
ARRIVED = "arrived"
"""In the state of an ASGI scope: when the request's headers were read, of `time.perf_counter`."""

requests: dict[tuple[str, str, int], list[float]] = {}
"""(route, cg, status) → candidates returned, fallbacks, sum of seconds, count of each bucket."""
counters: dict[tuple[str, Labels], float] = {}
gauges: dict[tuple[str, Labels], float] = {("start_time_seconds", ()): time.time()}


def observe(
    route: str,
    cg: str,
    status: int,
    seconds: float,
    returned: int = 0,
    fallback: bool = False,
    degraded: Iterable[str] = (),
) -> None:
    """Count one answer; `route` is a pattern and `cg` a generator that exists, so their number is bounded."""
    try:
        row = requests[route, cg, status]
    except KeyError:
        row = requests[route, cg, status] = [0.0] * WIDTH
    row[_SUM] += seconds
    row[_FIRST + bisect_left(BOUNDS, seconds)] += 1
    if returned:
        row[_RETURNED] += returned
    if fallback:
        row[_FALLBACK] += 1
    if degraded:
        for what in degraded:
            count("degraded", (route, what))


def answered(route: str, status: int, scope: Mapping[str, Any], body: Mapping[str, Any] | None) -> None:
    """Count the answer to the request of an ASGI scope; `body` if it is one of candidates."""
    now = time.perf_counter()
    seconds = now - scope.get("state", _NO_STATE).get(ARRIVED, now)
    if body is None:
        observe(route, "", status, seconds)
        return
    observe(route, body["cg"], status, seconds, body["returned"], body["fallback"] is not None, body["degraded"])
    if "slots" in body:
        slots(body["slots"])


def slots(supplied: Mapping[str, int]) -> None:
    """Count who supplied the items of a blended list."""
    for cg, n in supplied.items():
        if n:
            count("mix_slots", (cg,), n)


def count(counter: str, labels: Labels, n: float = 1) -> None:
    """Add to one of COUNTERS."""
    key = (counter, labels)
    counters[key] = counters.get(key, 0) + n


def gauge(name: str, value: float, labels: Labels = ()) -> None:
    """Set one of GAUGES; a gauge with labels has one value at a time, the last one."""
    if labels:
        for key in [key for key in gauges if key[0] == name]:
            del gauges[key]
    gauges[name, labels] = value


def reset() -> None:
    """Forget all that was counted; for tests."""
    requests.clear()
    counters.clear()
    gauges.clear()
