import datetime as dt
import zipfile

import polars as pl
import pytest

from training.datasets import lavka, synthetic
from training.datasets.source import Source
from training.errors import DataError
from training.events import normalise, read_events


@pytest.fixture
def raw():
    return synthetic.generate(synthetic.Plan(rows=300)).collect()


@pytest.fixture
def parquet(raw, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    raw.write_parquet(tmp_path / "train.parquet")
    return tmp_path / "train.parquet"


def prepared(path):
    return normalise(lavka.prepare(Source(path=path)), "test").collect()


def test_columns_and_order(raw, parquet):
    events = prepared(parquet)
    assert events["item_id"].equals(raw["product_id"].alias("item_id"))
    for name in set(events.columns) - {"item_id"}:
        assert events[name].equals(raw[name])
    assert {"product_image", "source_type", "product_id"}.isdisjoint(events.columns)
    assert events["user_id"].max() > 2**63


def test_folder_and_zip(parquet, tmp_path):
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.write(parquet, "some/folder/train.parquet")
        archive.writestr("readme.txt", "x")
    expected = prepared(parquet)
    assert prepared(tmp_path).equals(expected)
    assert prepared(tmp_path / "archive.zip").equals(expected)
    assert prepared(tmp_path / "archive.zip").equals(expected)
    assert len(list((tmp_path / "cache" / "candgen").iterdir())) == 1


def test_download_if_there_is_no_path(parquet, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(lavka, "download", lambda url, path: asked.append((url, path)) or parquet)
    assert len(prepared(None)) == 300
    assert asked == [(lavka.URL, tmp_path / "cache" / "candgen" / "lavka.zip")]


def test_a_canonical_log_is_taken_too(parquet, tmp_path):
    expected = prepared(parquet)
    expected.write_parquet(tmp_path / "canonical.parquet")
    assert prepared(tmp_path / "canonical.parquet").equals(expected)


def test_unusable_rows_are_left_out_and_counted(raw, tmp_path, capsys):
    first = pl.int_range(pl.len()) == 0
    broken = raw.with_columns(user_id=pl.when(~first).then("user_id"), position_in_request=pl.lit(1.0))
    broken.write_parquet(tmp_path / "train.parquet")
    events = prepared(tmp_path)
    assert len(events) == 299
    assert events["position_in_request"].to_list() == [1] * 299
    assert "1 rows without user, product or time left out" in capsys.readouterr().err


def test_dates_become_seconds(raw, tmp_path):
    raw.with_columns(timestamp=pl.lit(dt.datetime(1970, 1, 2))).write_parquet(tmp_path / "train.parquet")
    assert set(prepared(tmp_path)["timestamp"]) == {86_400}


def test_wrong_input(parquet, tmp_path):
    with pytest.raises(DataError, match="no such file"):
        lavka.prepare(Source(path=tmp_path / "none.zip"))
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("readme.txt", "x")
    with pytest.raises(DataError, match=r"holds readme.txt; wanted train.parquet"):
        lavka.prepare(Source(path=tmp_path / "other.zip"))
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "other.parquet")
    with pytest.raises(DataError, match=r"missing column.s. user_id, item_id, timestamp; it has a"):
        prepared(tmp_path / "other.parquet")


def test_a_damaged_zip(parquet, tmp_path):
    path = tmp_path / "archive.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.write(parquet, "train.parquet")
    damaged = bytearray(path.read_bytes())
    damaged[200] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(DataError, match="damaged"):
        lavka.prepare(Source(path=path))
    assert list((tmp_path / "cache" / "candgen").iterdir()) == []


def test_read_events_accepts_the_result(parquet, tmp_path):
    lavka.prepare(Source(path=parquet)).sink_parquet(tmp_path / "events.parquet")
    assert read_events(tmp_path / "events.parquet").collect().equals(prepared(parquet))
