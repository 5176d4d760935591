"""What the playground shows besides candidates: histories, names, MixiGen's curves, what a process holds."""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from service import kinds, mix_kernels
from service.errors import InvalidRequestError
from service.generate import user_known
from service.history import EMPTY, History
from service.ids import Id
from service.mix import MixRequest
from service.mix import curves as mixigen_curves
from service.registry import Release
from service.serving import Serving

MAX_ITEMS = 200
"""Longest part of a history that is shown."""
_SAMPLE = 24
_PLACES = 50


def about(serving: Serving) -> dict[str, Any]:
    """Describe what a visitor can choose from, and the process that answers."""
    release = serving.release
    schema = release.mixigen.model.schema if release.mixigen else None
    return {
        "release": release.name,
        "since": serving.since,
        "exclude_seen": release.manifest.exclude_seen,
        "n_users": len(release.users),
        "n_items": len(release.items),
        "sample_users": _sample_users(release),
        "cities": list(schema.cities[:_PLACES]) if schema else [],
        "stores": list(schema.stores[:_PLACES]) if schema else [],
        "timezone": schema.timezone if schema else "UTC",
        "days": _days(release, ZoneInfo(schema.timezone if schema else "UTC")),
        "mapped_bytes": sum(manifest.bytes for manifest in release.artifacts.values()),
        "resident": _resident(),
    }


def user(release: Release, user_id: Id, history: History | None) -> dict[str, Any]:
    """Return the history of a user, the newest items first."""
    known = history or EMPTY
    order = np.lexsort((known.items, -known.last))[:MAX_ITEMS]
    counts, last = known.counts[order].tolist(), known.last[order].tolist()
    facts = _facts(release, known.items[order].tolist())
    items = [{**fact, "count": n, "last": at} for fact, n, at in zip(facts, counts, last, strict=True)]
    return {
        "user_id": str(user_id),
        "release": release.name,
        "user_known": user_known((), user_id, history),
        "distinct_items": len(known),
        "items": items,
    }


def items(release: Release, ids: object) -> dict[str, Any]:
    """Return names and categories of items; ids that the release does not have are left out."""
    try:
        parsed: Sequence[Id] = kinds.ITEMS.from_json(ids, release)
    except ValueError as error:
        raise InvalidRequestError("ids", str(error)) from None
    rows = release.items.rows(parsed)
    return {"release": release.name, "items": _facts(release, rows[rows >= 0].tolist())}


def curves(release: Release, request: MixRequest, stored: History | None) -> dict[str, Any]:
    """Return MixiGen's score of each generator at each position, and how many of n places that gives it.

    The quota holds if no list ends and no item comes twice; the `slots` of /mix say what became of it.
    """
    names, scores = mixigen_curves(release, request, stored)
    quotas = mix_kernels.planned_depths(scores[None], request.n)[0].tolist()
    return {
        "release": release.name,
        "n": request.n,
        "cgs": [
            {"name": name, "scores": curve, "quota": quota}
            for name, curve, quota in zip(names, scores.tolist(), quotas, strict=True)
        ],
    }


def _facts(release: Release, rows: list[int]) -> list[dict[str, Any]]:
    ids = release.items.ids_of(np.array(rows, np.int32))
    return [
        {"item_id": str(item), "name": _name(release, row), "category": _category(release, row)}
        for item, row in zip(ids, rows, strict=True)
    ]


def _name(release: Release, row: int) -> str | None:
    return release.item_names[row] if release.item_names else None


def _category(release: Release, row: int) -> str | None:
    code = int(release.catalogue.categories[row])
    return release.catalogue.category_names[code] if code >= 0 else None


def _sample_users(release: Release) -> list[str]:
    """Return some users with a history, from all over the index."""
    with_history = np.flatnonzero(np.diff(release.history.indptr))
    places = np.linspace(0, len(with_history) - 1, min(_SAMPLE, len(with_history))).astype(int)
    return [str(user) for user in release.users.ids_of(with_history[places].astype(np.int32))]


def _days(release: Release, zone: ZoneInfo) -> dict[str, list[int]]:
    """Return the unix seconds of every hour of today, and of the last day of the data."""
    moments = {"today": time.time(), "last day of the data": release.history.newest}
    return {name: _hours(datetime.fromtimestamp(at, zone)) for name, at in moments.items() if at is not None}


def _hours(day: datetime) -> list[int]:
    midnight = day.replace(hour=0, minute=0, second=0, microsecond=0)
    return [int((midnight + timedelta(hours=hour)).timestamp()) for hour in range(24)]


def _resident() -> dict[str, int]:
    """Return the resident bytes of this process: its own (anonymous) and those of mapped files; Linux only."""
    status = Path("/proc/self/status")
    if not status.exists():
        return {}
    lines = dict(line.split(":", 1) for line in status.read_text(encoding="utf-8").splitlines() if ":" in line)
    wanted = {"total": "VmRSS", "own": "RssAnon", "mapped": "RssFile"}
    return {name: int(lines[key].split()[0]) * 1024 for name, key in wanted.items() if key in lines}
