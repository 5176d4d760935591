import datetime as dt

import polars as pl
import pytest

from training.datasets import file
from training.datasets.source import Source
from training.errors import DataError
from training.events import normalise


@pytest.fixture
def write(tmp_path):
    def write(text, name="log.csv"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def prepared(path, **columns):
    return normalise(file.prepare(Source(path=path, columns=columns)), "test").collect()


def test_mapping_and_columns_of_the_same_name(write):
    path = write("who,item_id,when,city_name,other\n1,5,10,Berlin,x\n2,6,20,,y\n")
    events = prepared(path, user_id="who", timestamp="when")
    assert events.select("user_id", "item_id", "timestamp", "city_name").rows() == [
        (1, 5, 10, "Berlin"),
        (2, 6, 20, None),
    ]
    assert "other" not in events.columns


def test_mapping_may_swap_names(write):
    events = prepared(write("user_id,item_id,timestamp\n1,2,3\n"), user_id="item_id", item_id="user_id")
    assert events.select("user_id", "item_id").rows() == [(2, 1)]


@pytest.mark.parametrize("separator", ["\t", ";", "|"])
def test_separators(write, separator):
    assert prepared(write("user_id,item_id,timestamp\n1,2,3\n".replace(",", separator))).height == 1


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (["1", "-2"], pl.Int64),
        (["1", str(2**64 - 1)], pl.UInt64),
        ([str(-(2**63)), str(2**63 - 1)], pl.Int64),
        (["-1", str(2**63)], pl.String),
        ([str(2**64), "1"], pl.String),
        (["007", "8"], pl.String),
        (["1.0", "2"], pl.String),
        (["1e3", "+4"], pl.String),
        (["木", "8"], pl.String),
    ],
)
def test_ids_survive_exactly(write, values, dtype):
    events = prepared(write("user_id,item_id,timestamp\n" + "".join(f"{value},1,2\n" for value in values)))
    assert events.schema["user_id"] == dtype
    assert [str(value) for value in events["user_id"]] == values


@pytest.mark.parametrize("text", ["1970-01-02", "1970-01-02 00:00:00", "1970-01-02T00:00:00Z", "86400"])
def test_dates_in_text(write, text):
    assert prepared(write(f"user_id,item_id,timestamp\n1,2,{text}\n"))["timestamp"].to_list() == [86_400]


def test_a_date_that_cannot_be_read(write):
    with pytest.raises(DataError, match=r"timestamp 'yesterday'; wanted unix seconds or dates like"):
        prepared(write("user_id,item_id,timestamp\n1,2,1970-01-01\n1,2,yesterday\n"))


@pytest.mark.parametrize("value", [dt.date(1970, 1, 2), dt.datetime(1970, 1, 2, tzinfo=dt.UTC)])
def test_parquet_with_dates(tmp_path, value):
    table = {"user_id": [2**64 - 1], "sku": ["a"], "timestamp": [value]}
    pl.DataFrame(table, schema_overrides={"user_id": pl.UInt64}).write_parquet(tmp_path / "log.bin")
    events = prepared(tmp_path / "log.bin", item_id="sku")
    assert events.select("user_id", "item_id", "timestamp").rows() == [(2**64 - 1, "a", 86_400)]


def test_empty_fields_are_null_ids(write):
    with pytest.raises(DataError, match="user_id is null in 1 row"):
        prepared(write("user_id,item_id,timestamp\n1,2,3\n,2,3\n"))


@pytest.mark.parametrize(
    ("text", "columns", "why"),
    [
        ("a,b\n1,2\n", {"user_id": "c"}, "no column c; it has a, b; see --columns"),
        ("a,b\n1,2\n", {"user_id": "a"}, "missing column.s. item_id, timestamp"),
        ("user_id,item_id,timestamp\n", {}, "the log is empty"),
        ("user_id,item_id,timestamp\n1,2,3,4\n", {}, "cannot be read"),
        ("", {}, "cannot be read"),
    ],
)
def test_wrong_files(write, text, columns, why):
    with pytest.raises(DataError, match=why) as caught:
        prepared(write(text), **columns)
    assert "\n" not in str(caught.value)


def test_not_text(tmp_path):
    (tmp_path / "log.csv").write_bytes(b"user_id,item_id,timestamp\n\xff\xfe,2,3\n")
    with pytest.raises(DataError, match="cannot be read"):
        prepared(tmp_path / "log.csv")


def test_no_file(tmp_path):
    with pytest.raises(DataError, match="without --path"):
        file.prepare(Source())
    with pytest.raises(DataError, match="no such file"):
        file.prepare(Source(path=tmp_path / "none.csv"))
