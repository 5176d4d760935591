import argparse
import re

import polars as pl
import pytest

from training.cli import prepare, split
from training.datasets import DATASETS
from training.errors import DataError
from training.events import read_events


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(command, line):
        parser = argparse.ArgumentParser(exit_on_error=False)
        command.add_arguments(parser)
        command.run(parser.parse_args(line.split()))

    return run


def test_prepare_then_split(run, tmp_path, capsys):
    run(prepare, "synthetic --rows 5000 --seed 3 --out new/folder/events.parquet")
    assert "synthetic: 5,000 events → new/folder/events.parquet" in capsys.readouterr().out
    events = read_events("new/folder/events.parquet").collect()
    assert len(events) == 5000
    for by in ("time", "user"):
        run(
            split,
            f"--events new/folder/events.parquet --train a/{by}.parquet --test b/{by}.parquet --by {by}",
        )
        printed = capsys.readouterr().out
        counts = [int(number.replace(",", "")) for number in re.findall(r"([\d,]+) rows", printed)]
        assert sum(counts) == 5000
        assert counts[:2] == [read_events(f"{part}/{by}.parquet").collect().height for part in "ab"]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["time.parquet", "user.parquet"]


def test_test_share(run):
    pl.DataFrame({"user_id": [1] * 10, "item_id": range(10), "timestamp": range(10)}).write_parquet("e.parquet")
    run(split, "--events e.parquet --train a.parquet --test b.parquet --test-share 0.3")
    assert read_events("b.parquet").collect()["item_id"].to_list() == [7, 8, 9]


def test_prepare_file_with_columns(run, tmp_path):
    (tmp_path / "log.csv").write_text("who,what,when\n1,a,5\n")
    run(prepare, "file --path log.csv --columns user_id=who,item_id=what,timestamp=when --out e.parquet")
    assert read_events("e.parquet").select("user_id", "item_id", "timestamp").collect().rows() == [(1, "a", 5)]


def test_what_was_there_stays_when_preparing_fails(run, tmp_path):
    (tmp_path / "e.parquet").write_text("old")
    (tmp_path / "log.csv").write_text("user_id,item_id,timestamp\n,2,3\n")
    with pytest.raises(DataError, match="user_id is null"):
        run(prepare, "file --path log.csv --out e.parquet")
    assert (tmp_path / "e.parquet").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e.parquet", "log.csv"]


def test_damage_found_only_while_writing(run, tmp_path):
    numbers = range(5000)
    pl.DataFrame({"user_id": numbers, "item_id": numbers, "timestamp": numbers}).write_parquet("log.parquet")
    raw = bytearray((tmp_path / "log.parquet").read_bytes())
    raw[100 : len(raw) // 2] = bytes(len(raw) // 2 - 100)  # the footer is whole, the data is not
    (tmp_path / "log.parquet").write_bytes(raw)
    with pytest.raises(DataError, match=r"e.parquet: could not be written \(") as caught:
        run(prepare, "file --path log.parquet --out e.parquet")
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["log.parquet"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("movielens-100k --rows 5", "movielens-100k has no use for --rows; it takes --path"),
        ("synthetic --path x", "synthetic has no use for --path; it takes --rows, --seed"),
        ("synthetic --rows 0", "--rows 0; wanted a whole number from 1 up"),
        ("synthetic --seed -1", "--seed -1; wanted a whole number from 0 up"),
    ],
)
def test_options_that_make_no_sense(run, line, why):
    with pytest.raises(DataError, match=why):
        run(prepare, f"{line} --out e.parquet")


@pytest.mark.parametrize("columns", ["user=a", "user_id", "user_id=", "user_id=a,user_id=b"])
def test_wrong_mappings(run, columns):
    with pytest.raises(argparse.ArgumentError, match="wanted NAME=COLUMN pairs"):
        run(prepare, f"file --path x --columns {columns} --out e.parquet")


def test_unknown_dataset(run):
    with pytest.raises(argparse.ArgumentError, match=r"invalid choice: 'lavko'.*complete-journey"):
        run(prepare, "lavko --out e.parquet")


def test_out_that_cannot_be_written(run, tmp_path):
    with pytest.raises(DataError, match="is a folder"):
        run(prepare, "synthetic --rows 10 --out .")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot be written"):
        run(prepare, "synthetic --rows 10 --out file/e.parquet")


def test_split_wants_three_files(run):
    with pytest.raises(DataError, match="three different files"):
        run(split, "--events e.parquet --train ./e.parquet --test b.parquet")


def test_split_of_a_missing_file_writes_nothing(run, tmp_path):
    with pytest.raises(DataError, match=r"e.parquet: no such file"):
        run(split, "--events e.parquet --train a.parquet --test b.parquet")
    assert list(tmp_path.iterdir()) == []


def test_every_dataset_is_described():
    assert set(DATASETS) == {"complete-journey", "movielens-100k", "lavka", "synthetic", "file"}
    assert all(dataset.summary for dataset in DATASETS.values())
