"""The candidate log: for each request the best hundred of every generator.

Histories end with the part that the generators were fitted on, so a user's lists serve all of the
user's requests. `Lists` keeps them once per user; the parquet file repeats them for each request.
"""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from service.array_types import Ints, Longs
from service.generate import Request, make_query
from service.registry import Release
from service.release_manifest import DATA, POPULAR
from training.offline import answers
from training.output import write_events
from training.progress import track
from training.requests import Requests

DEPTH = 100
RANDOM = "random"
"""A generator that exists offline only: the blender must learn to take nothing from it."""
REQUESTS_PER_PART = 5_000
END = -1


@dataclass(frozen=True)
class Lists:
    """Each generator's own eligible list for each user."""

    cgs: tuple[str, ...]
    users: Ints
    """(n_users,) rows of the release's users, ascending."""
    items: Ints
    """(n_cgs, n_users, depth) rows of the release's items, best first; −1 where a list has ended."""
    fill: Ints
    """(n_users, depth) the popular items that short lists are filled from."""
    exclude_seen: bool

    def row_of(self, users: Ints) -> Longs:
        """Return the row of each user; all must be there."""
        return np.searchsorted(self.users, users)


def blended_cgs(release: Release) -> list[str]:
    """Return the generators worth blending: the fitted ones, and popular.

    With seen items excluded, popular can be what a later stage likes best; without it among the
    generators the blender could not even choose what every short list is filled with.
    """
    fitted = [name for name in release.artifacts if name in release.cgs and name != DATA]
    return [*(name for name in fitted if release.artifacts[name].algorithm != POPULAR), POPULAR]


def make_lists(release: Release, cgs: Sequence[str], users: Ints, *, exclude_seen: bool, depth: int = DEPTH) -> Lists:
    """Ask every generator for every user, through the objects that serve; seeded where it is `random`."""
    users = np.unique(users)
    items = np.full((len(cgs), len(users), depth), END, np.int32)
    for cg, own in zip(cgs, items, strict=True):
        if cg == RANDOM:
            _fill_at_random(release, users, own, exclude_seen)
        else:
            _ask(release, cg, users, own, exclude_seen)
    fill = np.full((len(users), depth), END, np.int32)
    for own, user in zip(fill, release.users.ids_of(users), strict=True):
        query, _ = make_query(release, Request(user, exclude_seen=exclude_seen), release.history.lookup(user))
        found = release.popular.rank(query).top(depth).items
        own[: len(found)] = found
    return Lists(tuple(cgs), users, items, fill, exclude_seen)


def write_log(release: Release, requests: Requests, lists: Lists, out: Path) -> int:
    """Write request_id, user_id, item_id, position_in_cg (from 1), source_cg; return the number of rows.

    Memory is bounded: parts of a few thousand requests are written as they come, and joined at the end.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".candidates-", dir=out.parent))
    try:
        rows = 0
        for first in track(range(0, len(requests), REQUESTS_PER_PART), "candidate log"):
            part = requests.frame[first : first + REQUESTS_PER_PART]
            own = lists.row_of(requests.user[first : first + REQUESTS_PER_PART])
            frame = _frame(release, part, lists, own)
            frame.write_parquet(folder / f"{first:012d}.parquet")
            rows += len(frame)
        write_events(pl.scan_parquet(folder / "*.parquet"), out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return rows


def _ask(release: Release, cg: str, users: Ints, out: Ints, exclude_seen: bool) -> None:
    ids = release.users.ids_of(users)
    for row, answer in enumerate(answers(release, ids, lambda user: Request(user, cg, out.shape[1], exclude_seen), cg)):
        own = answer.result.own.items
        out[row, : len(own)] = own


def _fill_at_random(release: Release, users: Ints, out: Ints, exclude_seen: bool) -> None:
    """Draw a list for each user, the same one for the same user whoever else is asked for."""
    n_items, depth = len(release.items), out.shape[1]
    for row, user in enumerate(users.tolist()):
        history = release.history.items[release.history.indptr[user] : release.history.indptr[user + 1]]
        extra = len(history) if exclude_seen else 0
        drawn = np.random.default_rng([user, 7]).choice(n_items, min(n_items, depth + extra), replace=False)
        kept = drawn[~np.isin(drawn, history)] if exclude_seen else drawn
        out[row, : min(depth, len(kept))] = kept[:depth]


def _frame(release: Release, part: pl.DataFrame, lists: Lists, own: Longs) -> pl.DataFrame:
    items = lists.items[:, own]  # (n_cgs, requests, depth)
    cg, request, position = np.nonzero(items != END)
    order = np.lexsort((position, cg, request))
    cg, request, position = cg[order], request[order], position[order]
    ids = release.items.ids[items[cg, request, position]]
    item_ids = pl.Series("item_id", ids)
    if item_ids.dtype == pl.Binary:
        item_ids = item_ids.cast(pl.String)
    return pl.DataFrame(
        {
            "request_id": part["request_id"].gather(request),
            "user_id": part["user_id"].gather(request),
            "item_id": item_ids,
            "position_in_cg": (position + 1).astype(np.int16),
            "source_cg": pl.Series(lists.cgs, dtype=pl.String).gather(cg),
        }
    )
