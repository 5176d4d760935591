"""A seeded log in the schema of lavka, drawn from a planted structure (see `planted.py`).

A request shows about twenty products (`AT_View`). Half of the views are relevant: of the user's
taste at that hour, in that city, or a favourite again; the other half is plain popularity. Only
relevant views are carted, the upper positions more often, so that the items of carts follow
`Planted.item_probabilities` exactly, while what is seen does not.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars.io.plugins import register_io_source

from service.array_types import Bools, Longs
from training.datasets import lavka
from training.datasets.planted import HOURS, Planted, Size, plant, scrambled
from training.datasets.planted_sampler import FreshSampler
from training.datasets.source import Source
from training.errors import DataError

START = 1_735_689_600  # 2025-01-01 00:00 UTC
REQUESTS_PER_CHUNK = 20_000
SUBCATEGORIES = 3
SCHEMA = pl.Schema(
    {
        "action_type": pl.String,
        "city_name": pl.String,
        "position_in_request": pl.Int64,
        "product_category": pl.String,
        "product_id": pl.UInt64,
        "product_image": pl.String,
        "product_name": pl.String,
        "request_id": pl.UInt64,
        "source_type": pl.String,
        "store_id": pl.UInt64,
        "timestamp": pl.Int64,
        "user_id": pl.UInt64,
    }
)


@dataclass(frozen=True)
class Plan:
    """What to draw; the defaults give lavka's proportions (1.9 % of the rows are cart updates)."""

    rows: int
    seed: int = 0
    size: Size | None = None
    """None: `Size.of(rows)`."""
    days: int = 60
    views_per_request: float = 20.0
    relevant_share: float = 0.5
    p_click: tuple[float, float] = (0.02, 0.1)
    """of a view that is not, that is relevant"""
    p_cart: float = 0.058
    """of a relevant view at position 0; at position k it is p_cart / (1 + k / 20)"""
    p_purchase: float = 0.6
    """of a cart update"""


def prepare(source: Source) -> pl.LazyFrame:
    """Canonical events: `source.rows` of them."""
    return lavka.canonical(generate(Plan(rows=source.rows, seed=source.seed)))


def world(plan: Plan) -> Planted:
    """The planted truth behind `generate(plan)`."""
    return plant(plan.size or Size.of(plan.rows), plan.seed)


def generate(plan: Plan) -> pl.LazyFrame:
    """The log, request by request in the order of time, made chunk by chunk as it is consumed."""
    if plan.rows < 1:
        raise DataError(f"{plan.rows} rows; wanted at least one")

    def chunks(
        columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, _: int | None
    ) -> Iterator[pl.DataFrame]:
        left = plan.rows if n_rows is None else min(n_rows, plan.rows)
        for chunk in _chunks(plan):
            part = chunk.head(left)
            left -= len(part)
            part = part if predicate is None else part.filter(predicate)
            yield part if columns is None else part.select(columns)
            if not left:
                return

    return register_io_source(chunks, schema=SCHEMA, validate_schema=True, is_pure=True)


def _chunks(plan: Plan) -> Iterator[pl.DataFrame]:
    planted = world(plan)
    sampler = FreshSampler(planted)
    # a request makes more rows than views: with the margin, too few requests are out of the question
    requests = plan.rows / plan.views_per_request
    times, users = _requests(plan, planted, int(1.02 * requests + 3 * requests**0.5) + 10)
    for first in range(0, len(times), REQUESTS_PER_CHUNK):
        chunk = slice(first, first + REQUESTS_PER_CHUNK)
        rng = np.random.default_rng([plan.seed, 4, first])
        yield _rows(plan, sampler, np.arange(first, first + len(times[chunk])), times[chunk], users[chunk], rng)


def _requests(plan: Plan, planted: Planted, n: int) -> tuple[Longs, Longs]:
    """Time and user of each request, by time; the evening is four times as busy as the night."""
    rng = np.random.default_rng([plan.seed, 3])
    busy = 1 + 0.6 * np.cos(2 * np.pi * (np.arange(HOURS) - 19) / HOURS)
    hour = rng.choice(HOURS, size=n, p=busy / busy.sum())
    times = START + 86_400 * rng.integers(plan.days, size=n) + 3600 * hour + rng.integers(3600, size=n)
    return np.sort(times), rng.choice(len(planted.user_ids), size=n, p=planted.activity)


def _rows(
    plan: Plan,
    sampler: FreshSampler,
    requests: Longs,
    times: Longs,
    users: Longs,
    rng: np.random.Generator,
) -> pl.DataFrame:
    """All events of some requests: each view, and right after it the click, cart and purchase it led to."""
    sizes = 1 + rng.poisson(plan.views_per_request - 1, len(requests))
    view = np.repeat(np.arange(len(requests)), sizes)
    position = np.arange(len(view)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    relevant = rng.random(len(view)) < plan.relevant_share
    item = _items(sampler, users[view], times[view] // 3600 % HOURS, relevant, rng)
    click = rng.random(len(view)) < np.where(relevant, plan.p_click[1], plan.p_click[0])
    cart = relevant & (rng.random(len(view)) < plan.p_cart / (1 + position / 20))
    purchase = cart & (rng.random(len(view)) < plan.p_purchase)
    happened = np.stack([np.ones(len(view), bool), click, cart, purchase], axis=1)
    row, action = np.nonzero(happened)
    seconds = times[view] + 2 * position  # two seconds a product
    return _frame(
        sampler.world,
        requests=scrambled(requests, plan.seed, stream=3)[view][row],
        users=users[view][row],
        items=item[row],
        positions=position[row],
        timestamps=seconds[row] + action,
        actions=action,
    )


def _items(
    sampler: FreshSampler,
    users: Longs,
    hours: Longs,
    relevant: Bools,
    rng: np.random.Generator,
) -> Longs:
    planted = sampler.world
    repeat = rng.random(len(users)) < planted.repeat(users, hours)
    follow = rng.random(len(users)) < planted.p_trend[users]
    favourite = planted.favourites[users, rng.integers(planted.favourites.shape[1], size=len(users))]
    trend = rng.choice(len(planted.item_ids), size=len(users), p=planted.trend)
    fresh = np.where(follow, trend, sampler.draw(users, hours, rng))
    popular = rng.choice(len(planted.item_ids), size=len(users), p=planted.popularity)
    return np.where(relevant, np.where(repeat, favourite, fresh), popular)


def _frame(planted: Planted, **rows: NDArray[np.generic]) -> pl.DataFrame:
    users, items = rows["users"], rows["items"]
    n_items, n_cities = len(planted.item_ids), planted.city_effect.shape[1]
    subcategory = planted.item_cluster * SUBCATEGORIES + np.arange(n_items) % SUBCATEGORIES
    categories = pl.Series([f"Category {number:02d}" for number in range(subcategory.max() + 1)])
    cities = pl.Series([f"City {number}" for number in range(n_cities)])
    actions = pl.Series(["AT_View", "AT_Click", "AT_CartUpdate", "AT_Purchase"])
    return pl.DataFrame(
        {
            "action_type": actions.gather(rows["actions"]),
            "city_name": cities.gather(planted.user_city[users]),
            "position_in_request": rows["positions"],
            "product_category": categories.gather(subcategory[items]),
            "product_id": planted.item_ids[items],
            "product_image": pl.Series([f"{number}.jpg" for number in range(n_items)]).gather(items),
            "product_name": pl.Series([f"Product {number}" for number in range(n_items)]).gather(items),
            "request_id": rows["requests"],
            "source_type": pl.Series(["catalogue"]).gather(np.zeros(len(items), np.int64)),
            "store_id": planted.user_store[users].astype(np.uint64),
            "timestamp": rows["timestamps"],
            "user_id": planted.user_ids[users],
        },
        schema=SCHEMA,
    )
