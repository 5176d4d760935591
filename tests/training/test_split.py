from collections import defaultdict

import numpy as np
import polars as pl
import pytest

from training.errors import DataError
from training.events import POSITIVE_ACTIONS, normalise
from training.split import split_by_time, split_by_user


def log(timestamps, **columns):
    n = len(timestamps)
    base = {"user_id": [1] * n, "item_id": list(range(n)), "timestamp": timestamps}
    return normalise(pl.LazyFrame({**base, **columns}), "test")


def items(split):
    """Item ids (= order in the file) of the train and of the test part."""
    return [part.collect()["item_id"].to_list() for part in (split.train, split.test)]


def views(flags):
    return ["AT_View" if flag == "v" else "AT_Purchase" for flag in flags]


def test_time_takes_the_first_80_percent_in_time_and_keeps_the_order_of_the_file():
    train, test = items(split_by_time(log([5, 1, 2, 9, 3])))
    assert (train, test) == ([0, 1, 2, 4], [3])


def test_time_ties_go_by_the_order_in_the_file():
    assert items(split_by_time(log([7] * 10))) == [list(range(8)), [8, 9]]
    assert items(split_by_time(log([7, 7, 7, 7, 1]))) == [[0, 1, 2, 4], [3]]


@pytest.mark.parametrize(("n", "share", "train"), [(9, 0.2, 7), (5, 0.2, 4), (10, 0.1, 9), (10, 0.3, 7), (3, 0.5, 1)])
def test_time_rounds_the_train_part_down(n, share, train):
    assert len(items(split_by_time(log(list(range(n))), share))[0]) == train


def test_time_counts_interactions_only_and_other_events_go_by_the_time_of_the_cut():
    # five purchases, cut before the one at 50; views around it
    split = split_by_time(log([10, 20, 30, 40, 49, 50, 50, 51], action_type=views("ppppvvpv")))
    assert items(split) == [[0, 1, 2, 3, 4], [5, 6, 7]]


def test_time_drops_what_a_started_request_does_after_the_cut():
    split = split_by_time(
        log(
            [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
            request_id=["a", "a", "b", "b", "c", "c", "d", "x", "x", "e"],
            action_type=views("pppppppvpp"),
        )
    )
    # nine purchases, seven train; request x was seen before the cut, though nothing was bought
    assert items(split) == [[0, 1, 2, 3, 4, 5, 6, 7], [9]]
    assert split.counts == {"train": 8, "test": 1, "dropped": 1}


def test_time_requests_of_two_users_with_the_same_id_are_two():
    split = split_by_time(log([1, 2, 3, 4, 5], user_id=[1, 1, 1, 1, 2], request_id=[7] * 5))
    assert items(split) == [[0, 1, 2, 3], [4]]


def test_time_events_without_a_request_are_not_held_together():
    split = split_by_time(log([1, 2, 3, 4, 5], request_id=pl.Series([None] * 5, dtype=pl.Int64)))
    assert items(split) == [[0, 1, 2, 3], [4]]


@pytest.mark.parametrize(
    ("events", "why"),
    [
        (log([1]), "1 interaction.s. with a test share of 0.2 leave one part empty"),
        (log([1, 2], action_type=views("vv")), "0 interaction"),
        (log([1, 2, 3, 4, 5], request_id=[7] * 5), "every request of the test part began before the cut"),
    ],
)
def test_time_refuses_to_write_an_empty_part(events, why):
    with pytest.raises(DataError, match=why):
        split_by_time(events)


def test_user_takes_the_last_fifth_of_each_user():
    users = [1] * 5 + [2] * 4 + [3] * 10
    times = [5, 4, 3, 2, 1] + [1, 2, 3, 4] + [7] * 10
    split = split_by_user(log(times, user_id=users))
    assert items(split)[1] == [0, 17, 18]
    assert split.counts == {"train": 16, "test": 3, "dropped": 0}


def test_user_with_few_interactions_has_no_test_part_whatever_the_share():
    split = split_by_user(log(list(range(9)), user_id=[1] * 4 + [2] * 5), 0.5)
    assert items(split)[1] == [7, 8]


def test_user_views_go_by_the_time_of_that_users_cut():
    split = split_by_user(log([1, 2, 3, 4, 5, 4, 5, 9, 9], user_id=[1] * 8 + [2], action_type=views("pppppvvvv")))
    assert items(split) == [[0, 1, 2, 3, 5, 8], [4, 6, 7]]


def test_user_refuses_when_nobody_has_enough():
    with pytest.raises(DataError, match="no user has 5 interactions or more"):
        split_by_user(log([1, 2, 3, 4]))


@pytest.mark.parametrize("split", [split_by_time, split_by_user])
@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_share_out_of_range(split, share):
    with pytest.raises(DataError, match="between 0 and 1"):
        split(log(list(range(10))), share)


def random_log(seed):
    rng = np.random.default_rng(seed)
    n = 300
    return log(
        rng.integers(40, size=n).tolist(),
        user_id=rng.integers(2**64 - 15, 2**64 - 1, n, dtype=np.uint64),
        request_id=[None if r == 0 else str(r) for r in rng.integers(60, size=n)],
        action_type=np.array(["AT_View", "AT_CartUpdate", "AT_Purchase"])[rng.integers(3, size=n)],
    )


@pytest.mark.parametrize("seed", range(5))
def test_time_against_a_loop(seed):
    events = random_log(seed)
    rows = events.collect().rows(named=True)
    order = sorted(
        (i for i, row in enumerate(rows) if row["action_type"] in POSITIVE_ACTIONS),
        key=lambda i: rows[i]["timestamp"],
    )
    cut = len(order) * 4 // 5
    first = set(order[:cut])
    cut_time = rows[order[cut]]["timestamp"]
    train = [
        i
        for i, row in enumerate(rows)
        if i in first or (row["action_type"] not in POSITIVE_ACTIONS and row["timestamp"] < cut_time)
    ]
    started = {(rows[i]["user_id"], rows[i]["request_id"]) for i in train if rows[i]["request_id"] is not None}
    test = [i for i, row in enumerate(rows) if i not in train and (row["user_id"], row["request_id"]) not in started]
    split = split_by_time(events)
    assert items(split) == [train, test]
    assert sum(split.counts.values()) == len(rows)


@pytest.mark.parametrize("seed", range(5))
def test_user_against_a_loop(seed):
    events = random_log(seed)
    rows = events.collect().rows(named=True)
    positive = defaultdict(list)
    for i in sorted(range(len(rows)), key=lambda i: rows[i]["timestamp"]):
        if rows[i]["action_type"] in POSITIVE_ACTIONS:
            positive[rows[i]["user_id"]].append(i)
    tests = {user: own[len(own) - len(own) // 5 :] for user, own in positive.items() if len(own) >= 5}
    test = {i for own in tests.values() for i in own}
    for i, row in enumerate(rows):
        own = tests.get(row["user_id"])
        if row["action_type"] not in POSITIVE_ACTIONS and own and row["timestamp"] >= rows[own[0]]["timestamp"]:
            test.add(i)
    assert items(split_by_user(events)) == [[i for i in range(len(rows)) if i not in test], sorted(test)]
