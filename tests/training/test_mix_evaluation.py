import numpy as np
import pytest

from training.candidate_log import END, Lists
from training.mix_evaluation import LIKED, QUOTA, RECALL, Part, baselines, choose, compare, interval, resamples
from training.mix_worth import left_out, overlap, slots, unique_hits
from training.requests import Requests


@pytest.fixture
def part():
    """Three requests of two users; a finds what user 0 buys, b what user 1 buys."""
    items = np.int32([[[0, 1, 2, END], [3, 4, END, END]], [[5, 1, 6, 7], [8, 9, 3, END]]])
    fill = np.int32([[10, 0, 11, 12], [10, 11, 12, 13]])
    requests = Requests(
        frame=None,
        user=np.int32([0, 1, 0]),
        request=np.int64([0, 0, 1, 2, 2]),
        item=np.int64([0, 2, 8, 1, -1]),
    )
    best = np.int32([[1, 5, END], [8, 3, 4], [0, 1, END]])
    return Part(requests, Lists(("a", "b"), np.int32([0, 1]), items, fill, False), best, 14)


def test_recall_and_liked_by_hand(part):
    picks = part.single(0, 3)
    assert picks.tolist() == [[0, 1, 2], [0, 1, 8], [0, 1, 2]]  # a's places; user 1's list ends, the fill's first
    np.testing.assert_allclose(part.values(picks, RECALL), [1, 0, 0.5])
    np.testing.assert_allclose(part.values(picks, LIKED), [1 / 2, 2 / 3, 1])
    np.testing.assert_allclose(part.values(part.single(1, 1), RECALL), [0, 1, 0])


def test_choices_and_comparison(part):
    chosen = choose(part, RECALL, 3)
    assert chosen.single == "a"
    table = compare(part, part.single(1, 3), baselines(part, chosen, 3), RECALL)
    assert list(table) == ["a", "b", "round_robin", "rrf", QUOTA, "mixigen"]
    assert table["b"]["gain"] == table["b"]["gain low"] == 0
    assert table["a"]["gain"] == pytest.approx(1.5 / 3 - 1.5 / 3)
    assert part.values(part.quota(chosen.shares, 3), RECALL).mean() >= table["a"]["mean"]


def test_the_interval_is_over_users():
    """Many requests of few users are as uncertain as few users are."""
    user = np.repeat(np.arange(10), 100).astype(np.int32)
    values = np.repeat(np.random.default_rng(0).random(10), 100)
    mean, low, high = interval(values, user, resamples(user))
    assert low < mean < high
    assert high - low == pytest.approx(2 * 1.96 * values.std() / np.sqrt(10), rel=0.2)


def test_worth_by_hand(part):
    some = np.ones(3, bool)
    picks = part.single(0, 4)
    found = slots(part, picks, some)
    assert found == {"a": pytest.approx(8 / 12), "b": 0.0, "fill": pytest.approx(4 / 12)}
    # of five positives a alone has 0 and 2, b alone has 8; 1 is in both, one is unknown
    assert unique_hits(part, some) == {"a": pytest.approx(2 / 5), "b": pytest.approx(1 / 5)}
    table = overlap(part.lists)
    assert table["a"] == {"a": 1.0, "b": pytest.approx((1 / 3 + 1 / 2) / 2)}
    without = part.without(0)
    assert (without.items[0] == END).all()
    change = left_out(part, picks, {"a": without.single(0, 4), "b": picks}, some)
    # only the fill is left: 0 is in user 0's
    assert change == {"a": pytest.approx((0.5 + 0 + 0) / 3 - 0.5), "b": 0.0}
