"""Splits of a log into a train and a test part; both are deterministic and keep the order of the file.

Interactions are the events with a positive action; their order is (timestamp, order in the file).
A row is in the train part, in the test part, or dropped: `Split.counts` says how many of each.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from service.array_types import Bytes
from training.errors import DataError
from training.events import POSITIVE_ACTIONS, REQUEST
from training.output import write_events

By = Literal["time", "user"]

TRAIN, TEST, DROPPED = np.uint8(0), np.uint8(1), np.uint8(2)
MIN_USER_INTERACTIONS = 5
POSITIVE = pl.col("action_type").is_in(POSITIVE_ACTIONS)


@dataclass(frozen=True)
class Split:
    """The two parts, lazily, and the number of rows in each and in neither."""

    train: pl.LazyFrame
    test: pl.LazyFrame
    counts: dict[str, int]
    """Rows by `train`, `test` and `dropped`; they add up to the log."""


def split_by_time(events: pl.LazyFrame, test_share: float = 0.2) -> Split:
    """Cut after the first (1 − test_share) of the interactions.

    Other events go by the time of the first interaction after the cut: earlier ones are train, the
    rest test. A request with any event in the train part began before the cut: its later events are
    dropped, they are in neither part. Only requests with an id count; events without one are not
    held together.
    """
    columns = events.select("timestamp", positive=POSITIVE).collect(engine="streaming")
    timestamp = columns["timestamp"].to_numpy()
    interactions = np.flatnonzero(columns["positive"].to_numpy())
    cut = int(len(interactions) * (1 - _share(test_share)))
    if not 0 < cut < len(interactions):
        raise DataError(
            f"{len(interactions)} interaction(s) with a test share of {test_share} leave one part empty; "
            "wanted at least one on each side; use more events or another --test-share"
        )
    order = interactions[np.argsort(timestamp[interactions], kind="stable")]
    part = np.where(timestamp < timestamp[order[cut]], TRAIN, TEST)
    part[order[:cut]] = TRAIN  # within the second of the cut, the order in the file decides
    _drop_started_requests(events, part)
    return _split(events, part, "every request of the test part began before the cut")


def split_by_user(events: pl.LazyFrame, test_share: float = 0.2) -> Split:
    """The last ⌊test_share · n⌋ of each user's n interactions are test; none for users with n < 5.

    Other events go by the time of the user's first test interaction: earlier ones are train, the
    rest test, so that the train part does not know what the user looked at later.
    """
    frame = events.select("user_id", "timestamp", positive=POSITIVE).with_row_index("row").collect(engine="streaming")
    interactions = frame.filter("positive").sort("timestamp", maintain_order=True).select("row", "user_id", "timestamp")
    share = _share(test_share)
    n = pl.len().over("user_id").cast(pl.Int64)
    kept = n - n * share.numerator // share.denominator
    kept = pl.when(n < MIN_USER_INTERACTIONS).then(n).otherwise(kept)
    test = interactions.filter(pl.int_range(pl.len()).over("user_id") >= kept)
    cuts = test.group_by("user_id").agg(cut=pl.col("timestamp").first())
    others = frame.filter(~pl.col("positive")).join(cuts, on="user_id").filter(pl.col("timestamp") >= pl.col("cut"))
    part = np.full(len(frame), TRAIN)
    part[test["row"].to_numpy()] = TEST
    part[others["row"].to_numpy()] = TEST
    return _split(events, part, f"no user has {MIN_USER_INTERACTIONS} interactions or more")


SPLITS: Mapping[By, Callable[[pl.LazyFrame, float], Split]] = {"time": split_by_time, "user": split_by_user}


def write_split(by: By, events: pl.LazyFrame, train: Path, test: Path, test_share: float = 0.2) -> dict[str, int]:
    """Split and write both parts; return the number of rows of each, and of those dropped."""
    split = SPLITS[by](events, test_share)
    write_events(split.train, train)
    write_events(split.test, test)
    return split.counts


def _share(test_share: float) -> Fraction:
    """The share exactly as it was written: 0.2 is a fifth, so that 5 · 0.2 is 1 and not 0.99…"""
    if not 0 < test_share < 1:
        raise DataError(f"test share {test_share}; wanted a number between 0 and 1, e.g. 0.2")
    return Fraction(str(test_share))


def _drop_started_requests(events: pl.LazyFrame, part: Bytes) -> None:
    """Mark, in place, the test rows of requests that have a row in the train part as dropped."""
    requests = events.select(REQUEST).with_row_index("row").filter(pl.col("request_id").is_not_null())
    rows = requests.collect(engine="streaming")
    in_train = pl.Series(part == TRAIN).gather(rows["row"])
    started = rows.filter(in_train).select(REQUEST).unique()
    straddling = rows.filter(~in_train).join(started, on=REQUEST, how="semi")
    part[straddling["row"].to_numpy()] = DROPPED


def _split(events: pl.LazyFrame, part: Bytes, why_no_test: str) -> Split:
    counts = dict(zip(("train", "test", "dropped"), np.bincount(part, minlength=3).tolist(), strict=True))
    marked = pl.concat([events, pl.LazyFrame({"_part": part})], how="horizontal")
    train, test = (marked.filter(pl.col("_part") == which).drop("_part") for which in (TRAIN, TEST))
    if not test.select(POSITIVE.any()).collect(engine="streaming").item():
        raise DataError(f"the test part holds no interaction: {why_no_test}; use more events or the other --by")
    return Split(train, test, counts)
