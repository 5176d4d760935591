"""A sample of the mixes that were served, one JSON object a line: what a blender could be trained on.

A line holds what the features are made of (history, place, time), the first items of every generator, and for each
slot the generator that was chosen and the item. A log that cannot be written is counted and never stops an answer.
"""

import logging
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import orjson

from service import metrics
from service.generate import make_query
from service.history import History
from service.mix import MixAnswer, MixRequest
from service.registry import Release

log = logging.getLogger(__name__)

HEAD = 10
"""So many items of each generator are logged."""


class MixLog:
    """Appends to `<path>.<pid>`, so that workers do not share a file."""

    def __init__(self, path: Path | None, rate: float, draw: Callable[[], float] = random.random) -> None:
        self._path = path.with_name(f"{path.name}.{os.getpid()}") if path else None
        self._rate, self._draw = rate, draw
        self._file: IO[bytes] | None = None

    def offer(self, release: Release, request: MixRequest, stored: History | None, found: MixAnswer) -> None:
        """Log a mix if it is drawn."""
        if self._path is None or self._draw() >= self._rate:
            return
        try:
            if self._file is None:
                self._file = self._path.open("ab", buffering=0)
            self._file.write(orjson.dumps(_line(release, request, stored, found)) + b"\n")
            metrics.count("mix_log", ("written",))
        except Exception as error:  # an answer matters more
            if not metrics.counters.get(("mix_log", ("dropped",))):
                log.warning("%s: the mix log cannot be written (%s)", self._path, error)
            metrics.count("mix_log", ("dropped",))

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _line(release: Release, request: MixRequest, stored: History | None, found: MixAnswer) -> dict[str, Any]:
    query, _ = make_query(release, request, stored)
    history = query.history
    own = found.blend
    return {
        "time": time.time(),
        "release": release.name,
        "user_id": request.user_id,
        "strategy": found.strategy,
        "n": request.n,
        "features": {
            "timestamp": request.timestamp,
            "city_name": request.city_name,
            "store_id": request.store_id,
            "user_known": found.user_known,
            "exclude_seen": release.manifest.exclude_seen if request.exclude_seen is None else request.exclude_seen,
            "history": [
                _ids(release, history.items),
                history.counts.tolist(),
                history.last.tolist(),
            ],
        },
        "heads": {name: _ids(release, release.cg(name).rank(query).top(HEAD).items) for name in found.cgs},
        "slots": [found.cgs[row] for row in own.cg.tolist()],
        "items": _ids(release, own.items),
        "degraded": found.degraded,
    }


def _ids(release: Release, rows: Any) -> list[Any]:
    return list(release.items.ids_of(rows))
