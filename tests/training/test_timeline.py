import numpy as np
import polars as pl
import pytest

from tests.training import blending
from training.errors import DataError
from training.events import normalise
from training.split import split_by_time
from training.timeline import LEARNING, SHARES, make_timeline

NAMES = list(SHARES)


def log(times, requests=None, actions=None):
    n = len(times)
    return normalise(
        pl.LazyFrame(
            {
                "user_id": [1] * n,
                "item_id": list(range(n)),
                "timestamp": list(times),
                "request_id": list(range(n)) if requests is None else requests,
                "action_type": actions or ["AT_CartUpdate"] * n,
            }
        ),
        "test",
    )


def items(part):
    return part.collect()["item_id"].to_list()


def test_parts_have_their_shares_in_time():
    timeline = make_timeline(log(range(100)))
    ends = [0, 40, 55, 70, 80, 100]
    for name, first, last in zip(NAMES, ends, ends[1:], strict=False):
        assert items(getattr(timeline, name)) == list(range(first, last))
    assert items(timeline.before("log")) == list(range(55))


def test_without_a_test_part_the_others_keep_their_proportions():
    timeline = make_timeline(log(range(80)), LEARNING)
    assert [len(items(getattr(timeline, name))) for name in NAMES[:-1]] == [40, 15, 15, 10]
    assert timeline.test is None
    assert sum(LEARNING.values()) == 1


def test_the_test_part_is_that_of_the_split():
    events = blending.log()
    ours, theirs = make_timeline(events).test.collect(), split_by_time(events).test.collect()
    assert ours.equals(theirs)


def test_a_request_is_where_it_began_and_its_later_events_are_in_no_part():
    requests = list(range(100))
    requests[60] = 39  # begins in the first part, goes on in the third
    timeline = make_timeline(log(range(100), requests))
    assert 39 in items(timeline.models)
    assert 60 not in [item for name in NAMES for item in items(getattr(timeline, name))]


def test_within_the_second_of_a_cut_the_file_decides():
    times = np.minimum(np.arange(100), 38)  # from the 39th on, all in one second
    timeline = make_timeline(log(times))
    assert [len(items(getattr(timeline, name))) for name in NAMES] == [40, 15, 15, 10, 20]


def test_other_events_go_by_time():
    actions = ["AT_CartUpdate", "AT_View"] * 50
    timeline = make_timeline(log(range(100), actions=actions))
    assert items(timeline.models) == list(range(40))
    assert items(timeline.test) == list(range(80, 100))


def test_too_few_interactions():
    with pytest.raises(DataError, match="part 'models' of the time line holds no interaction"):
        make_timeline(log(range(2)))
