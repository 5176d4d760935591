"""The requests of a part of the log: who, when, where, and what was taken."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from service.array_types import Bools, Ints, Longs
from service.ids import Id, id_type_of
from service.registry import Release
from training.errors import DataError
from training.events import POSITIVE_ACTIONS, REQUEST
from training.interactions import to_numpy


@dataclass(frozen=True)
class Requests:
    """Requests with at least one positive, of users that the release knows, in the order of time."""

    frame: pl.DataFrame
    """Columns user_id, request_id, timestamp (of its first event), city_name, store_id."""
    user: Ints
    """(n,) row of the release's users."""
    request: Longs
    """(m,) for each distinct positive its request, ascending …"""
    item: Longs
    """(m,) … and its item, a row of the release's items, −1 if the release does not know it."""

    def __len__(self) -> int:
        return len(self.user)

    @property
    def timestamps(self) -> Longs:
        """(n,) unix seconds."""
        return self.frame["timestamp"].to_numpy()

    @property
    def positives(self) -> Longs:
        """(n,) number of distinct positives, those of unknown items included."""
        return np.bincount(self.request, minlength=len(self))

    def take(self, rows: NDArray[Any]) -> "Requests":
        """Return some requests (a mask or ascending row numbers), numbered anew."""
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        new = np.full(len(self), -1, np.int64)
        new[rows] = np.arange(len(rows))
        kept = new[self.request] >= 0
        return Requests(self.frame[rows], self.user[rows], new[self.request[kept]], self.item[kept])

    def without_seen(self, release: Release) -> "Requests":
        """Drop positives that are in the user's history, and requests that are left with none."""
        new = ~seen(release, self.user[self.request].astype(np.int64), self.item)
        left = Requests(self.frame, self.user, self.request[new], self.item[new])
        return left.take(left.positives > 0)


def seen(release: Release, user: Longs, item: Longs) -> Bools:
    """Return which (user row, item row) pairs are in the release's history."""
    histories, span = release.history, len(release.items)
    owner = np.repeat(np.arange(len(release.users), dtype=np.int64), np.diff(histories.indptr))
    return (item >= 0) & np.isin(user * span + item, owner * span + histories.items)


def read_requests(part: pl.LazyFrame, release: Release) -> Requests:
    """Reduce a part to its requests with a positive; events of unknown users are left out.

    Raises:
        DataError: ids of another type than the release's, or no request is left.
    """
    context = ("timestamp", "city_name", "store_id")
    with_positive = part.filter(pl.col("action_type").is_in(POSITIVE_ACTIONS)).select(REQUEST).unique()
    events = part.join(with_positive, on=REQUEST, how="semi", nulls_equal=True)
    starts = events.group_by(REQUEST).agg(
        pl.col("timestamp").min(), *(pl.col(name).drop_nulls().first() for name in context[1:])
    )
    frame = starts.select(*REQUEST, *context).collect(engine="streaming").sort("timestamp", *REQUEST)
    user = _rows(release, frame["user_id"])
    frame = frame.filter(pl.Series(user >= 0))
    if frame.is_empty():
        raise DataError("no request of a known user has a positive in this part; use more events")
    taken = part.filter(pl.col("action_type").is_in(POSITIVE_ACTIONS)).select(*REQUEST, "item_id").unique()
    numbered = frame.lazy().select(*REQUEST).with_row_index("request")
    pairs = taken.join(numbered, on=REQUEST, nulls_equal=True).collect(engine="streaming").sort("request", "item_id")
    item = release.items.rows_of(to_numpy(pairs["item_id"])).astype(np.int64)
    return Requests(frame, user[user >= 0], pairs["request"].to_numpy().astype(np.int64), item)


def user_ids(release: Release, rows: Ints) -> Sequence[Id]:
    """Return the ids of users by row."""
    return release.users.ids_of(rows)


def _rows(release: Release, ids: pl.Series) -> Ints:
    array = to_numpy(ids)
    if id_type_of(array) != release.users.type:
        raise DataError(
            f"the log has user ids of type {id_type_of(array)}, the release {release.users.type}; cast user_id"
        )
    return release.users.rows_of(array)
