"""The time line of blending: what is fitted never sees what it is judged by.

    40 % models | 15 % ranker | 15 % candidate log | 10 % validation | 20 % test

by interactions in time, as `split_by_time` cuts: the last part is its test part.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from fractions import Fraction

import numpy as np
import polars as pl
from numpy.typing import NDArray

from training.errors import DataError
from training.events import REQUEST
from training.split import POSITIVE

SHARES = {
    "models": Fraction(40, 100),
    "ranker": Fraction(15, 100),
    "log": Fraction(15, 100),
    "validation": Fraction(10, 100),
    "test": Fraction(20, 100),
}
LEARNING = {name: share / (1 - SHARES["test"]) for name, share in SHARES.items() if name != "test"}
"""The same without a test part, for a log from which it has been cut off already."""
DROPPED = np.int8(-1)


@dataclass(frozen=True)
class Timeline:
    """The parts, lazily, in the order of time; a request is in one part only."""

    models: pl.LazyFrame
    """Generators are fitted on it, and histories end with it."""
    ranker: pl.LazyFrame
    """The ranker is trained on its requests."""
    log: pl.LazyFrame
    """Its requests make the candidate log that the blender is trained on."""
    validation: pl.LazyFrame
    """Baselines and settings are chosen on it."""
    test: pl.LazyFrame | None = None
    """Looked at once; none where it was cut off before."""

    def before(self, name: str) -> pl.LazyFrame:
        """Return all parts that end before the named one begins."""
        names = [field.name for field in fields(self)]
        before: pl.LazyFrame = pl.concat([getattr(self, other) for other in names[: names.index(name)]])
        return before


def make_timeline(events: pl.LazyFrame, shares: Mapping[str, Fraction] = SHARES) -> Timeline:
    """Cut a log as `read_events` returns it, by SHARES or LEARNING.

    Events that are no interactions go by the time of the first interaction after each cut. A request
    that began in an earlier part has its later events dropped; only requests with an id are held together.

    Raises:
        DataError: a part would have no interaction.
    """
    part = _parts(events, shares)
    _drop_started_requests(events, part)
    marked = pl.concat([events, pl.LazyFrame({"_part": part})], how="horizontal")
    parts = {name: marked.filter(pl.col("_part") == which).drop("_part") for which, name in enumerate(shares)}
    counts = marked.filter(POSITIVE).group_by("_part").len().collect(engine="streaming")
    filled = set(counts.filter(pl.col("_part") >= 0)["_part"].to_list())
    for which, name in enumerate(shares):
        if which not in filled:
            raise DataError(
                f"the part {name!r} of the time line holds no interaction; wanted at least one; use more events"
            )
    return Timeline(**parts)


def _parts(events: pl.LazyFrame, shares: Mapping[str, Fraction]) -> NDArray[np.int8]:
    """Return the part of each row by its time alone."""
    columns = events.select("timestamp", positive=POSITIVE).collect(engine="streaming")
    timestamp = columns["timestamp"].to_numpy()
    interactions = np.flatnonzero(columns["positive"].to_numpy())
    order = interactions[np.argsort(timestamp[interactions], kind="stable")]
    cuts = [int(len(order) * sum(list(shares.values())[:which])) for which in range(1, len(shares))]
    part = np.zeros(len(timestamp), np.int8)
    for which, cut in enumerate(cuts, 1):
        if cut < len(order):
            part[timestamp >= timestamp[order[cut]]] = which
    # within the second of a cut, the order in the file decides
    part[order] = np.searchsorted(cuts, np.arange(len(order)), side="right")
    return part


def _drop_started_requests(events: pl.LazyFrame, part: NDArray[np.int8]) -> None:
    """Mark, in place, rows later than the part in which their request began."""
    requests = events.select(REQUEST).with_row_index("row").filter(pl.col("request_id").is_not_null())
    rows = requests.collect(engine="streaming")
    rows = rows.with_columns(part=pl.Series(part, dtype=pl.Int8).gather(rows["row"]))
    late = rows.filter(pl.col("part") > pl.col("part").min().over(REQUEST))
    part[late["row"].to_numpy()] = DROPPED
