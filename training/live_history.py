"""Fills the service's Redis with the interactions of an event log."""

import asyncio
from collections.abc import Iterator

import polars as pl

from service.history_live import MAX_EVENTS, Event
from service.history_redis import RedisEvents
from service.ids import Id
from training.events import POSITIVE_ACTIONS, REQUEST
from training.progress import track

_AT_ONCE = 64


def load(events: pl.LazyFrame, url: str, since: int | None = None) -> tuple[int, int]:
    """Write the latest interactions of every user, at or after `since` (unix seconds); return users and new events.

    An item of a request is one event, known by both: to load a file again changes nothing.

    Raises:
        HistoryUnavailableError: Redis does not answer, or refuses.
    """
    frame = _interactions(events, since)
    return asyncio.run(_write(frame, url))


def _interactions(events: pl.LazyFrame, since: int | None) -> pl.DataFrame:
    """Return one row for each user: lists of items, times and event ids, oldest first."""
    kept = events.filter(pl.col("action_type").is_in(POSITIVE_ACTIONS))
    if since is not None:
        kept = kept.filter(pl.col("timestamp") >= since)
    name = pl.format("{}:{}", pl.col("request_id").cast(pl.String).fill_null("-"), pl.col("item_id"))
    return (
        kept.group_by(*REQUEST, "item_id")
        .agg(pl.col("timestamp").max())
        .with_columns(name.alias("event_id"))
        .sort("timestamp", "event_id")
        .group_by("user_id", maintain_order=True)
        .agg(pl.col("item_id", "timestamp", "event_id").tail(MAX_EVENTS))
        .collect()
    )


async def _write(frame: pl.DataFrame, url: str) -> tuple[int, int]:
    store = RedisEvents(url, budget_ms=1000)
    added = 0
    users = list(_users(frame))
    batches = [users[start : start + _AT_ONCE] for start in range(0, len(users), _AT_ONCE)]
    try:
        for batch in track(batches, f"batches of {_AT_ONCE} users"):
            added += sum(await asyncio.gather(*(store.append(user, events) for user, events in batch)))
    finally:
        await store.close()
    return len(users), added


def _users(frame: pl.DataFrame) -> Iterator[tuple[Id, list[Event]]]:
    for user, items, times, names in frame.iter_rows():
        yield user, [Event(*event) for event in zip(items, times, names, strict=True)]
