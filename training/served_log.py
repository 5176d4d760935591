"""Mixes that were served (`CANDGEN_MIX_LOG`) as training data: what was offered, and what was taken after it.

A line is a request of its own: its lists are the heads that the served generators had then, its features those of
the history then, its positives what the user took until the next line or the horizon. It teaches what stage
generators cannot: how the generators that are served do with users as they are now.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from service.array_types import Longs
from service.cg.base import Filters, Query
from service.history import History
from service.ids import Id
from service.mix_features import Context, MixSchema, list_lengths, request_features
from service.mix_habits import Habits
from service.registry import Release
from training.candidate_log import DEPTH, END, Lists
from training.errors import DataError
from training.mixigen_logged import Seen
from training.requests import Requests
from training.split import POSITIVE

HORIZON = 86_400
"""Seconds after a mix within which what is taken counts as taken because of it."""


@dataclass(frozen=True)
class Line:
    """What the blender needs of one line."""

    time: int
    user: Id
    exclude_seen: bool
    city_name: str | None
    store_id: str | None
    history: tuple[Sequence[Id], Sequence[int], Sequence[int]]
    heads: Mapping[str, Sequence[Id]]


@dataclass(frozen=True)
class Served:
    """Lines with something taken after them, seen by the stage's release; rows of lists are rows of requests."""

    requests: Requests
    lists: Lists
    histories: Sequence[History]
    lines: Sequence[Line]


def read(path: Path) -> list[Line]:
    """Read a mix log: the file, and `<file>.<process>` beside it, of every worker; in the order of time.

    Raises:
        DataError: there is no such file, or none of its lines is one of a mix log.
    """
    paths = [*([path] if path.is_file() else []), *sorted(path.parent.glob(f"{path.name}.*"))]
    if not paths:
        raise DataError(f"{path}: no such file, nor {path.name}.<process>; wanted what CANDGEN_MIX_LOG names")
    lines = [line for one in paths for line in _lines(one)]
    if not lines:
        raise DataError(f"{path}: no line of a mix log in {len(paths)} file(s); serve with CANDGEN_MIX_LOG first")
    return sorted(lines, key=lambda line: line.time)


def _lines(path: Path) -> Iterator[Line]:
    """Yield what can be read: the last line of a worker that was killed may be cut off."""
    with path.open("rb") as file:
        for text in file:
            try:
                yield _line(json.loads(text))
            except (ValueError, KeyError, TypeError):
                continue


def _line(found: Mapping[str, Any]) -> Line:
    features = found["features"]
    ids, counts, last = features["history"]
    return Line(
        time=int(features["timestamp"] or found["time"]),
        user=found["user_id"],
        exclude_seen=bool(features["exclude_seen"]),
        city_name=features["city_name"],
        store_id=features["store_id"],
        history=(ids, counts, last),
        heads=dict(found["heads"]),
    )


def take(
    lines: Sequence[Line], events: pl.LazyFrame, release: Release, cgs: Sequence[str], *, since: int, until: int | None
) -> dict[bool, Served]:
    """Return the lines from `since` to before `until` after which something was taken, by exclude_seen.

    events: of the time after the lines; lines of users that the release does not know are left out.
    """
    chosen = [line for line in lines if since <= line.time and (until is None or line.time < until)]
    chosen = [line for line in chosen if release.users.row(line.user) >= 0]
    request, item = _taken(chosen, events, release)
    ways = np.array([line.exclude_seen for line in chosen], np.bool_)
    result = {}
    for way in (False, True):
        rows = np.flatnonzero(ways == way)
        own = np.isin(request, rows)
        taken = np.searchsorted(rows, request[own]), item[own]
        result[way] = _served([chosen[row] for row in rows], *taken, release, cgs, exclude_seen=way)
    return result


def _served(
    lines: Sequence[Line], request: Longs, item: Longs, release: Release, cgs: Sequence[str], *, exclude_seen: bool
) -> Served:
    """Return the lines with a positive: request, item are the pairs of a line and what was taken after it."""
    histories = [_history(line, release) for line in lines]
    if exclude_seen:
        new = np.array([i < 0 or i not in histories[r].items for r, i in zip(request, item, strict=True)], np.bool_)
        request, item = request[new], item[new]
    kept = np.unique(request)
    lines, histories = [lines[row] for row in kept], [histories[row] for row in kept]
    frame = pl.DataFrame(
        {
            "timestamp": pl.Series([line.time for line in lines], dtype=pl.Int64),
            "city_name": pl.Series([line.city_name for line in lines], dtype=pl.String),
            "store_id": pl.Series([line.store_id for line in lines], dtype=pl.String),
        }
    )
    user = release.users.rows(line.user for line in lines)
    requests = Requests(frame, user, np.searchsorted(kept, request), item)
    items = np.full((len(cgs), len(lines), DEPTH), END, np.int32)
    for row, line in enumerate(lines):
        for own, name in zip(items[:, row], cgs, strict=True):
            known = release.items.rows(line.heads.get(name, ()))
            known = known[known >= 0][:DEPTH]
            own[: len(known)] = known
    fill = np.full((len(lines), DEPTH), END, np.int32)
    return Served(requests, Lists(tuple(cgs), user, items, fill, exclude_seen), histories, lines)


def _taken(lines: Sequence[Line], events: pl.LazyFrame, release: Release) -> tuple[Longs, Longs]:
    """Return the line of each distinct item that was taken after one, and its row, −1 if it is unknown.

    What was taken belongs to the last line before it.
    """
    none = np.empty(0, np.int64)
    if not lines:
        return none, none
    user_type = events.collect_schema()["user_id"]
    shown = pl.LazyFrame(
        {
            "user_id": pl.Series([line.user for line in lines], dtype=user_type),
            "timestamp": [line.time for line in lines],
            "line": np.arange(len(lines)),
        }
    ).sort("timestamp")
    taken = events.filter(POSITIVE).select("user_id", "item_id", "timestamp").sort("timestamp")
    joined = taken.join_asof(
        shown,
        on="timestamp",
        by="user_id",
        strategy="backward",
        tolerance=HORIZON,
        allow_exact_matches=False,
        check_sortedness=False,  # it is, by time
    )
    found = joined.filter(pl.col("line").is_not_null()).select("line", "item_id").unique().collect()
    found = found.sort("line", "item_id")
    item = release.items.rows(found["item_id"].to_list())
    return found["line"].to_numpy().astype(np.int64), item.astype(np.int64)


def _history(line: Line, release: Release) -> History:
    ids, counts, last = line.history
    rows = release.items.rows(ids)
    known = np.flatnonzero(rows >= 0)
    order = known[np.argsort(rows[known], kind="stable")]
    return History(rows[order], np.array(counts, np.int32)[order], np.array(last, np.int64)[order])


def see(served: Served, release: Release, schema: MixSchema, habits: Habits | None) -> Seen:
    """Return what the blender sees of the lines, by the functions that serve."""
    cgs = [release.cgs[name] for name in schema.cgs]
    features, lengths, own = [], [], []
    for line, history in zip(served.lines, served.histories, strict=True):
        context = Context(line.time, line.city_name, line.store_id, line.exclude_seen)
        query = Query(line.user, history, filters=Filters(history.items) if line.exclude_seen else Filters())
        features.append(request_features(history, context, schema))
        lengths.append(list_lengths(cgs, query))
        if habits is not None:
            own.append(habits.of(query, line.exclude_seen))
    return Seen(np.array(features, np.float32), np.array(lengths, np.float32), np.array(own) if own else None)
