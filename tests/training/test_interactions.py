import dataclasses

import numpy as np
import polars as pl
import pytest

from tests.naive import interactions as naive
from training.errors import DataError
from training.events import normalise
from training.interactions import build, filter_items, fingerprint, matrix

ACTIONS = ["AT_View", "AT_Click", "AT_CartUpdate", "AT_Purchase"]


def events(**columns):
    return normalise(pl.LazyFrame(columns), "test")


@pytest.fixture
def small():
    """User 1 had item 5 in two requests and item 9 in one; user 2 had item 9; user 3 looked only."""
    return events(
        user_id=[1, 1, 1, 1, 2, 3, 1],
        item_id=[5, 5, 5, 9, 9, 5, 7],
        request_id=[100, 100, 101, 101, 200, 300, 101],
        timestamp=[10, 11, 20, 21, 5, 1, 22],
        action_type=["AT_CartUpdate", "AT_Purchase", *["AT_CartUpdate"] * 3, "AT_View", "AT_Click"],
        product_category=["old", "old", "new", None, "b", "view", "x"],
        product_name=[None, None, "five", None, None, None, "seven"],
    )


def test_by_hand(small):
    got = build(small)
    assert got.user_ids.tolist() == [1, 2]
    assert got.item_ids.tolist() == [5, 9]
    assert got.indptr.tolist() == [0, 2, 3]
    assert got.items.tolist() == [0, 1, 1]
    assert got.counts.tolist() == [2, 1, 1]
    assert got.last.tolist() == [20, 21, 5]
    assert got.item_categories == ["new", "b"]
    assert got.item_names == ["five", None]
    assert [array.dtype for array in (got.indptr, got.items, got.counts, got.last)] == [
        "i8",
        "i4",
        "i4",
        "i8",
    ]


@pytest.mark.parametrize(
    ("weighting", "values"),
    [("binary", [1, 1, 1]), ("count", [2, 1, 1]), ("log", [np.log2(3), 1, 1])],
)
def test_weightings(small, weighting, values):
    X = matrix(build(small), weighting)
    assert X.dtype == np.float32
    assert X.has_sorted_indices
    np.testing.assert_allclose(X.toarray(), [[values[0], values[1]], [0, values[2]]], rtol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_against_a_loop_over_rows(seed):
    rng = np.random.default_rng(seed)
    n, requests = 400, [*range(6), None]
    columns = {
        "user_id": rng.integers(2**64 - 12, 2**64 - 1, n, dtype=np.uint64),
        "item_id": np.array(["é", "z", "木", "a", "aa", "ab", "Ω"])[rng.integers(7, size=n)],
        "request_id": [requests[i] for i in rng.integers(7, size=n)],
        "timestamp": rng.integers(50, size=n),
        "action_type": np.array(ACTIONS)[rng.integers(4, size=n)],
        "product_category": [["x", "y", None][i] for i in rng.integers(3, size=n)],
    }
    log = events(**columns)
    got = build(log)
    pairs, categories = naive(log.collect().rows(named=True))
    rows = np.repeat(np.arange(len(got.user_ids)), np.diff(got.indptr))
    items = [item.decode() for item in got.item_ids.tolist()]
    assert pairs == {
        (int(got.user_ids[row]), items[item]): (count, last)
        for row, item, count, last in zip(rows, got.items, got.counts, got.last, strict=True)
    }
    assert dict(zip(items, got.item_categories, strict=True)) == {item: categories.get(item) for item in items}
    assert all((np.diff(got.items[a:b]) > 0).all() for a, b in zip(got.indptr, got.indptr[1:], strict=False))
    assert (np.sort(got.item_ids) == got.item_ids).all()


def test_uint64_above_2_63_and_negative_ids_sort_as_numpy_sorts():
    got = build(
        events(
            user_id=pl.Series([2**64 - 1, 3, 2**63 + 1], dtype=pl.UInt64),
            item_id=[5, -(2**63), -7],
            timestamp=[1, 2, 3],
        )
    )
    assert got.user_ids.dtype == np.uint64
    assert got.user_ids.tolist() == [3, 2**63 + 1, 2**64 - 1]
    assert got.item_ids.tolist() == [-(2**63), -7, 5]
    assert matrix(got).toarray().tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_string_ids_become_utf8_bytes():
    got = build(events(user_id=["ü", "u"], item_id=["木" * 85, "a"], timestamp=[1, 2]))
    assert got.user_ids.tolist() == [b"u", "ü".encode()]
    assert got.item_ids.dtype == "S255"
    assert got.item_ids.tolist() == [b"a", ("木" * 85).encode()]


def test_without_requests_a_user_has_one():
    got = build(events(user_id=[1, 1, 2], item_id=[5, 5, 5], timestamp=[1, 2, 3]))
    assert got.counts.tolist() == [1, 1]
    assert got.last.tolist() == [2, 3]


def test_two_users_with_the_same_request_id():
    got = build(events(user_id=[1, 2], item_id=[5, 5], timestamp=[1, 2], request_id=[7, 7]))
    assert got.counts.tolist() == [1, 1]


def test_the_latest_category_wins_and_ties_are_settled():
    got = build(
        events(user_id=[1] * 4, item_id=[5] * 4, timestamp=[9, 3, 9, 10], product_category=["a", "z", "b", None])
    )
    assert got.item_categories == ["b"]


def test_one_event():
    got = build(events(user_id=[1], item_id=[5], timestamp=[0]))
    assert matrix(got).toarray().tolist() == [[1]]


def test_filtered_users_keep_an_empty_row(small):
    got = build(small, min_item_users=2)
    assert got.user_ids.tolist() == [1, 2]
    assert got.item_ids.tolist() == [9]
    assert got.indptr.tolist() == [0, 1, 2]
    assert got.item_categories == ["b"]
    lone = build(events(user_id=[1, 2, 3], item_id=[5, 9, 9], timestamp=[1, 2, 3]), min_item_users=2)
    assert lone.indptr.tolist() == [0, 0, 1, 2]


def test_filter_that_leaves_all_or_nothing(small):
    everything = build(small)
    assert filter_items(everything, 1) is everything
    with pytest.raises(DataError, match="min_item_users = 3 leaves no item: the most popular has 2 of 2 users; lower"):
        filter_items(everything, 3)


def test_views_only_are_no_interactions():
    views = events(user_id=[1], item_id=[5], timestamp=[1], action_type=["AT_View"])
    with pytest.raises(DataError, match="no interaction; wanted events with action_type AT_CartUpdate or AT_Purchase"):
        build(views)


def test_fingerprint_ignores_the_order_of_the_log_and_sees_every_change(small):
    everything = build(small)
    shuffled = build(small.collect().sample(fraction=1, shuffle=True, seed=1).lazy())
    assert fingerprint(shuffled) == fingerprint(everything)
    seen = {fingerprint(everything)}
    for name in ("user_ids", "item_ids", "indptr", "items", "counts", "last"):
        array = getattr(everything, name).copy()
        array[-1] += 1
        seen.add(fingerprint(dataclasses.replace(everything, **{name: array})))
    assert len(seen) == 7
    assert fingerprint(filter_items(everything, 2)) not in seen
