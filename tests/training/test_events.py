import datetime as dt
import re

import polars as pl
import pytest

from training.errors import DataError
from training.events import CANONICAL, read_events, scan

GOOD = {"user_id": [1, 2], "item_id": [3, 4], "timestamp": [10, 20]}


@pytest.fixture
def log(tmp_path):
    def write(**columns):
        path = tmp_path / "events.parquet"
        pl.DataFrame({**GOOD, **columns}, strict=False).write_parquet(path)
        return path

    return write


def refused(path, *parts):
    with pytest.raises(DataError, match=".*".join(re.escape(part) for part in parts)) as caught:
        read_events(path)
    assert "\n" not in str(caught.value)


def test_defaults_of_a_minimal_log(log):
    events = read_events(log()).collect()
    assert events.columns == list(CANONICAL)
    assert events["action_type"].to_list() == ["AT_CartUpdate"] * 2
    assert events["request_id"].to_list() == [None, None]
    assert events.select("user_id", "item_id", "timestamp").to_dict(as_series=False) == GOOD


def test_a_normalised_log_is_read_back_unchanged(log, tmp_path):
    once = read_events(log(store_id=["a", None], extra=[1.5, 2.5])).collect()
    once.write_parquet(tmp_path / "again.parquet")
    again = read_events(tmp_path / "again.parquet").collect()
    assert again.equals(once)
    assert again.schema == once.schema
    assert again["extra"].to_list() == [1.5, 2.5]


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        (pl.Int8, pl.Int64),
        (pl.Int64, pl.Int64),
        (pl.UInt16, pl.UInt64),
        (pl.UInt64, pl.UInt64),
        (pl.String, pl.String),
        (pl.Categorical, pl.String),
    ],
)
def test_id_types(log, given, canonical):
    values = ["a", "b"] if given in (pl.String, pl.Categorical) else [1, 2]
    ids = pl.Series(values, dtype=given)
    events = read_events(log(user_id=ids, item_id=ids, request_id=ids, store_id=ids)).collect()
    for name in ("user_id", "item_id", "request_id", "store_id"):
        assert events.schema[name] == canonical
        assert events[name].to_list() == values


def test_extreme_ids_survive_exactly(log):
    unsigned = pl.Series([0, 2**64 - 1], dtype=pl.UInt64)
    signed = pl.Series([-(2**63), 2**63 - 1], dtype=pl.Int64)
    events = read_events(log(user_id=unsigned, item_id=signed)).collect()
    assert events["user_id"].to_list() == [0, 2**64 - 1]
    assert events["item_id"].to_list() == [-(2**63), 2**63 - 1]


def test_unicode_ids_of_up_to_256_bytes(log):
    ids = ["é" * 128, "木"]
    assert read_events(log(item_id=ids)).collect()["item_id"].to_list() == ids


def test_missing_file(tmp_path):
    refused(tmp_path / "none.parquet", "none.parquet: no such file", "prepare")


def test_folder(tmp_path):
    refused(tmp_path, "no such file")


@pytest.mark.parametrize("content", [b"", b"user_id,item_id,timestamp\n1,2,3\n", b"PAR1" + bytes(100)])
def test_not_parquet(tmp_path, content):
    path = tmp_path / "events.parquet"
    path.write_bytes(content)
    refused(path, "not a readable parquet file", "prepare file")


def test_damaged_pages(log):
    path = log(user_id=list(range(5000)), item_id=list(range(5000)), timestamp=list(range(5000)))
    raw = bytearray(path.read_bytes())
    raw[100 : len(raw) // 2] = bytes(len(raw) // 2 - 100)  # the footer is whole, the data is not
    path.write_bytes(raw)
    with pytest.raises(DataError):
        read_events(path)


def test_names_with_glob_characters(log):
    path = log()
    strange = path.with_name("ev[1]*.parquet")
    path.rename(strange)
    assert scan(strange).collect().height == 2


def test_missing_columns_are_named_together(tmp_path):
    pl.DataFrame({"user": [1], "item_id": [2]}).write_parquet(tmp_path / "events.parquet")
    refused(tmp_path / "events.parquet", "user_id, timestamp", "it has user, item_id", "--columns")


@pytest.mark.parametrize("dtype", [pl.Null, pl.Int64, pl.Float64])
def test_empty_log(log, dtype):
    nothing = pl.Series([], dtype=dtype)
    refused(log(user_id=nothing, item_id=nothing, timestamp=nothing), "the log is empty")


@pytest.mark.parametrize("values", [[1.0, 2.0], [True, False], [b"a", b"b"], [[1], [2]], [dt.date(2025, 1, 1)] * 2])
@pytest.mark.parametrize("name", ["user_id", "item_id", "request_id"])
def test_ids_of_a_wrong_type(log, name, values):
    refused(log(**{name: values}), f"{name} is ", "wanted whole numbers", "cast")


@pytest.mark.parametrize("name", ["user_id", "item_id"])
@pytest.mark.parametrize(
    ("values", "what"),
    [
        ([1, None], "is null in 1 row"),
        ([None, None], "is null in 2 row"),
        (["a", ""], "is an empty string"),
        (["a", "é" * 129], "is longer than 256 bytes"),
        (["a", "b\0c"], "holds a NUL"),
        (["a", "b\0"], "holds a NUL"),
    ],
)
def test_ids_with_wrong_values(log, name, values, what):
    refused(log(**{name: values}), f"{name} {what}", "wanted an id in every row")


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ([1.5, 2.0], "timestamp is Float64; wanted whole numbers; cast"),
        (["1", "2"], "timestamp is String"),
        ([dt.datetime(2025, 1, 1)] * 2, 'pl.col("timestamp").dt.epoch("s")'),
        ([10, None], "timestamp is null in 1 row"),
        ([10, -1], "timestamp is negative in 1 row"),
        (pl.Series([10, 2**63], dtype=pl.UInt64), "timestamp is above 2^63 - 1"),
    ],
)
def test_wrong_timestamps(log, values, what):
    refused(log(timestamp=values), what)


@pytest.mark.parametrize(
    ("values", "what"),
    [
        (["AT_View", "AT_Veiw"], "'AT_Veiw'"),
        (["AT_View", None], "None"),
        (["AT_View", "AT_View "], "'AT_View '"),
        ([1, 2], "action_type is Int64"),
    ],
)
def test_wrong_actions(log, values, what):
    refused(log(action_type=values), what, "one of AT_View, AT_Click, AT_CartUpdate, AT_Purchase")


def test_nulls_and_duplicates_that_are_legal(log):
    events = read_events(log(user_id=[1, 1], item_id=[3, 3], timestamp=[10, 10], request_id=[7, None])).collect()
    assert events["request_id"].to_list() == [7, None]
    assert events.height == 2


def test_columns_without_any_value_get_their_default(log):
    events = read_events(log(action_type=[None, None], request_id=[None, None], city_name=[None, None])).collect()
    assert events["action_type"].to_list() == ["AT_CartUpdate"] * 2
    assert events.schema["request_id"] == pl.Int64
    assert events.schema["city_name"] == pl.String
