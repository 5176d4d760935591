"""What the ranker looks at, from events before the requests it is joined to.

All are shares, rates and times rather than counts, so that they mean the same whether they were
computed on 40 % or on 80 % of a log; what cannot be known is NaN.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from service.array_types import Bools, Doubles, Floats, Longs
from service.registry import Release
from training.events import POSITIVE_ACTIONS, REQUEST
from training.interactions import to_numpy

HOURS, SECONDS_PER_HOUR, SECONDS_PER_DAY = 24, 3600, 86_400.0
SMOOTHING = 20.0
"""Interactions that a lift must be worth before it departs from 1 by half."""

RATES = ("click_through", "conversion")
USER_FEATURES = tuple(f"user_{name}" for name in (*RATES, "basket", "repeat_share", "variety"))
ITEM_FEATURES = tuple(f"item_{name}" for name in (*RATES, "popularity", "users_share", "repeat_share"))
PAIR_FEATURES = ("repeats", "repeat_share_of_requests", "days_since", "gaps_since", "viewed")
CATEGORY_FEATURES = ("category_affinity", "category_hour_lift", "category_city_lift")
CONTEXT_FEATURES = ("hour", "weekday", "days_since_request")
FEATURES = (*USER_FEATURES, *ITEM_FEATURES, *PAIR_FEATURES, *CATEGORY_FEATURES, *CONTEXT_FEATURES)


@dataclass(frozen=True)
class Facts:
    """What is known at the end of a stretch of the log; users, items are rows of the release."""

    users: Floats
    """(n_users, len(USER_FEATURES))"""
    items: Floats
    """(n_items, len(ITEM_FEATURES))"""
    user_requests: Floats
    """(n_users,) requests with a positive."""
    user_last: Floats | Doubles
    """(n_users,) unix seconds of the last positive."""
    pairs: Longs
    """user · n_items + item of each pair that ever had a positive, ascending."""
    pair_requests: Floats
    """(n_pairs,) requests in which the user took the item."""
    pair_first: Longs
    """(n_pairs,) unix seconds of the first time."""
    pair_last: Longs
    """(n_pairs,) unix seconds of the last time."""
    viewed: Longs
    """user · n_items + item of each pair that was ever viewed, ascending."""
    categories: Longs
    """(n_items,) category of an item; the last one stands for none."""
    category_share: Floats
    """(n_users, n_categories) share of the user's positives; 0 without any."""
    hour_lift: Floats
    """(24, n_categories) how much more of a category is taken at an hour than at all hours."""
    city_lift: Floats
    """(n_cities + 1, n_categories) the same for cities; the last row, of ones, for unknown ones."""
    cities: list[str]


def ratio(numerator: NDArray[Any], denominator: NDArray[Any]) -> Floats:
    """Divide; NaN where there is nothing to divide by."""
    safe = np.where(denominator > 0, denominator, 1)
    return np.where(denominator > 0, numerator / safe, np.nan).astype(np.float32)


def learn_facts(events: pl.LazyFrame, release: Release) -> Facts:
    """Summarise events; those of users or items that the release does not know are left out."""
    coded = _coded(events, release)
    n_users, n_items = len(release.users), len(release.items)
    positive = coded.filter(pl.col("positive"))
    baskets = positive.select("user", "item", "request").unique()
    pairs = positive.group_by("user", "item").agg(
        requests=pl.col("request").n_unique(), first=pl.col("timestamp").min(), last=pl.col("timestamp").max()
    )
    pairs = pairs.with_columns(key=pl.col("user") * n_items + pl.col("item")).sort("key")
    viewed = coded.filter(pl.col("view")).select(pl.col("user") * n_items + pl.col("item")).unique()
    categories, names = _categories(release)
    tally = np.zeros((n_users, len(names)), np.float32)
    np.add.at(tally, (baskets["user"].to_numpy(), categories[baskets["item"].to_numpy()]), 1)
    cities = sorted(positive["city_name"].drop_nulls().unique().to_list())
    last = positive.group_by("user").agg(pl.col("timestamp").max())
    user_last = np.full(n_users, np.nan)
    user_last[last["user"].to_numpy()] = last["timestamp"].to_numpy()
    return Facts(
        users=_user_columns(coded, baskets, pairs, n_users),
        items=_item_columns(coded, baskets, pairs, n_users, n_items),
        user_requests=_distinct(positive, "user", "request", n_users),
        user_last=user_last,
        pairs=pairs["key"].to_numpy(),
        pair_requests=pairs["requests"].to_numpy().astype(np.float32),
        pair_first=pairs["first"].to_numpy(),
        pair_last=pairs["last"].to_numpy(),
        viewed=np.sort(viewed.to_series().to_numpy()),
        categories=categories,
        category_share=np.nan_to_num(ratio(tally, tally.sum(axis=1, keepdims=True))),
        hour_lift=_lift(_hours(positive["timestamp"].to_numpy()), categories[positive["item"]], HOURS, len(names)),
        city_lift=_city_lift(positive, cities, categories, len(names)),
        cities=cities,
    )


def city_codes(facts: Facts, names: pl.Series) -> Longs:
    """Return the row of `city_lift` of each city."""
    return _codes(facts.cities, names)


def features(facts: Facts, user: Longs, item: Longs, timestamp: Longs, city: Longs) -> Floats:
    """Return (n, len(FEATURES)): one row for each (user, item, time, city), rows and codes all."""
    category = facts.categories[item]
    hour = _hours(timestamp)
    since_request = np.maximum(0, (timestamp - facts.user_last[user]) / SECONDS_PER_DAY)
    columns = [
        *facts.users[user].T,
        *facts.items[item].T,
        *_pair_columns(facts, user, item, timestamp),
        facts.category_share[user, category],
        facts.hour_lift[hour, category],
        facts.city_lift[city, category],
        hour,
        timestamp // int(SECONDS_PER_DAY) % 7,
        since_request,
    ]
    return np.stack(columns, axis=1, dtype=np.float32, casting="unsafe")


def _pair_columns(facts: Facts, user: Longs, item: Longs, timestamp: Longs) -> list[NDArray[Any]]:
    keys = user * len(facts.items) + item
    place, known = _find(facts.pairs, keys)
    repeats = np.where(known, facts.pair_requests[place], 0) if len(facts.pairs) else np.zeros(len(keys))
    if not len(facts.pairs):
        return [repeats, repeats, *np.full((2, len(keys)), np.nan), _find(facts.viewed, keys)[1]]
    since = np.where(known, np.maximum(0, timestamp - facts.pair_last[place]) / SECONDS_PER_DAY, np.nan)
    gap = ratio((facts.pair_last - facts.pair_first) / SECONDS_PER_DAY, facts.pair_requests - 1)[place]
    return [
        repeats,
        np.nan_to_num(ratio(repeats, facts.user_requests[user])),
        since,
        since / np.maximum(gap, 1.0),  # NaN, as it should be, where the item was taken once
        _find(facts.viewed, keys)[1],
    ]


def _find(keys: Longs, wanted: Longs) -> tuple[Longs, Bools]:
    """Return where each wanted key would stand, within bounds, and whether it is there."""
    if not len(keys):
        return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), np.bool_)
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return place, keys[place] == wanted


def _coded(events: pl.LazyFrame, release: Release) -> pl.DataFrame:
    frame = events.select(
        *REQUEST,
        "item_id",
        "timestamp",
        "city_name",
        view=pl.col("action_type") == "AT_View",
        positive=pl.col("action_type").is_in(POSITIVE_ACTIONS),
    ).collect(engine="streaming")
    user = release.users.rows_of(to_numpy(frame["user_id"])).astype(np.int64)
    item = release.items.rows_of(to_numpy(frame["item_id"])).astype(np.int64)
    request = frame.select(pl.struct(REQUEST).rank("dense")).to_series()
    coded = frame.with_columns(user=user, item=item, request=request).drop(*REQUEST, "item_id")
    return coded.filter((pl.col("user") >= 0) & (pl.col("item") >= 0))


def _user_columns(coded: pl.DataFrame, baskets: pl.DataFrame, pairs: pl.DataFrame, n: int) -> Floats:
    requests = _distinct(coded.filter(pl.col("positive")), "user", "request", n)
    taken, distinct = _tally(baskets["user"], n), _tally(pairs["user"], n)
    columns = (
        *_rates(coded, "user", n),
        ratio(taken, requests),
        ratio(taken - distinct, taken),
        ratio(distinct, requests),
    )
    return np.stack(columns, axis=1)


def _item_columns(coded: pl.DataFrame, baskets: pl.DataFrame, pairs: pl.DataFrame, n_users: int, n: int) -> Floats:
    taken, users = _tally(baskets["item"], n), _tally(pairs["item"], n)
    columns = (
        *_rates(coded, "item", n),
        (taken / max(1.0, taken.sum())).astype(np.float32),
        (users / max(1, n_users)).astype(np.float32),
        ratio(taken - users, taken),
    )
    return np.stack(columns, axis=1)


def _rates(coded: pl.DataFrame, key: str, n: int) -> tuple[Floats, Floats]:
    """Return click-through = positives / views and conversion = requests with a positive / requests."""
    positive = coded.filter(pl.col("positive"))
    views = _tally(coded.filter(pl.col("view"))[key], n)
    requests, converted = _distinct(coded, key, "request", n), _distinct(positive, key, "request", n)
    return ratio(_tally(positive[key], n), views), ratio(converted, requests)


def _tally(rows: pl.Series, n: int) -> Doubles:
    return np.bincount(rows.to_numpy(), minlength=n).astype(np.float64)


def _distinct(frame: pl.DataFrame, key: str, what: str, n: int) -> Floats:
    return _tally(frame.select(key, what).unique()[key], n).astype(np.float32)


def _categories(release: Release) -> tuple[Longs, list[str]]:
    codes, names = release.catalogue.categories.astype(np.int64), release.catalogue.category_names
    return np.where(codes >= 0, codes, len(names)), [*names, ""]


def _hours(timestamp: Longs) -> Longs:
    return timestamp // SECONDS_PER_HOUR % HOURS


def _lift(row: Longs, category: Longs, n_rows: int, n_categories: int) -> Floats:
    """Return P(category | row) / P(category), shrunk to 1 where little is known."""
    table = np.zeros((n_rows, n_categories))
    np.add.at(table, (row, category), 1)
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / max(1.0, table.sum())
    lift: Floats = ((table + SMOOTHING) / (expected + SMOOTHING)).astype(np.float32)
    return lift


def _city_lift(positive: pl.DataFrame, cities: list[str], categories: Longs, n_categories: int) -> Floats:
    located = positive.filter(pl.col("city_name").is_not_null())
    lift = _lift(_codes(cities, located["city_name"]), categories[located["item"]], len(cities), n_categories)
    return np.concatenate([lift, np.ones((1, n_categories), np.float32)])


def _codes(values: list[str], column: pl.Series) -> Longs:
    """Return the place of each text in `values`, their number where it is not there."""
    codes = {value: place for place, value in enumerate(values)}
    return np.array([codes.get(value, len(codes)) for value in column.to_list()], np.int64)
