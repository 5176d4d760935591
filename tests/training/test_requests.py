import numpy as np
import polars as pl
import pytest

from service import registry
from tests.stores import item_id, tiny_store, user_id
from training.errors import DataError
from training.events import normalise
from training.requests import read_requests

BUY, VIEW = "AT_CartUpdate", "AT_View"


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    return registry.load(tiny_store(tmp_path_factory.mktemp("store"), exclude_seen=False))


def log(rows):
    """Events of (user, item, request, time, action)."""
    names = ("user_id", "item_id", "request_id", "timestamp", "action_type")
    frame = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.Object), orient="row")
    columns = {name: frame[name].to_list() for name in names}
    ids = {name: pl.Series(columns[name], dtype=pl.UInt64) for name in ("user_id", "item_id")}
    city = ["Bonn" if action == VIEW else None for action in columns["action_type"]]
    return normalise(pl.LazyFrame({**columns, **ids, "city_name": city}), "test")


def test_requests_with_a_positive_in_the_order_of_time(release):
    rows = [
        (user_id(1), item_id(4), 20, 1000, BUY),
        (user_id(0), item_id(2), 10, 500, VIEW),
        (user_id(0), item_id(3), 10, 510, BUY),
        (user_id(0), item_id(3), 10, 520, "AT_Purchase"),
        (user_id(0), item_id(1), 10, 530, BUY),
        (user_id(1), item_id(1), 30, 100, VIEW),
        (12345, item_id(1), 40, 100, BUY),
        (user_id(1), 999, 20, 1001, BUY),
    ]
    found = read_requests(log(rows), release)
    assert found.frame["request_id"].to_list() == [10, 20]
    assert found.timestamps.tolist() == [500, 1000]
    assert found.frame["city_name"].to_list() == ["Bonn", None]
    assert release.users.ids_of(found.user) == [user_id(0), user_id(1)]
    known = release.items.rows_of(np.array([item_id(1), item_id(3), item_id(4)], np.uint64)).tolist()
    assert sorted(zip(found.request.tolist(), found.item.tolist(), strict=True)) == sorted(
        [(0, known[0]), (0, known[1]), (1, known[2]), (1, -1)]
    )
    assert found.positives.tolist() == [2, 2]
    later = found.take(np.array([False, True]))
    assert (later.request.tolist(), len(later)) == ([0, 0], 1)


def test_without_what_was_seen(release):
    history = release.history.lookup(user_id(0)).items
    new = next(row for row in range(len(release.items)) if row not in history)
    seen, unseen = (release.items.ids_of(np.int32([row]))[0] for row in (history[0], new))
    rows = [(user_id(0), seen, 1, 10, BUY), (user_id(0), unseen, 2, 20, BUY), (user_id(0), seen, 2, 20, BUY)]
    left = read_requests(log(rows), release).without_seen(release)
    assert left.frame["request_id"].to_list() == [2]
    assert left.item.tolist() == [new]


def test_nothing_left_and_other_ids(release):
    with pytest.raises(DataError, match="no request of a known user"):
        read_requests(log([(12345, item_id(1), 1, 10, BUY)]), release)
    strings = log([(user_id(0), item_id(1), 1, 10, BUY)]).with_columns(pl.col("user_id").cast(pl.String))
    with pytest.raises(DataError, match="cast user_id"):
        read_requests(strings, release)
