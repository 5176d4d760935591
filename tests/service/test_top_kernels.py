"""The best of many scores, against naive twins."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service import top_kernels
from tests import naive

SCORES = st.lists(
    st.sampled_from([-math.inf, -2.5, -1.0, -0.0, 0.0, 0.5, 1.0, 1.0, 3.0])
    | st.floats(-10, 10, width=32, allow_subnormal=False),
    max_size=60,
)
QUICK = settings(max_examples=200, deadline=None)


def f4(values):
    return np.array(values, np.float32)


def top_k(scores, k):
    """The items; their scores are checked."""
    items, their = top_kernels.top_k(f4(scores), k)
    assert their.tolist() == [scores[item] for item in items]
    return items.tolist()


@QUICK
@given(SCORES, st.integers(0, 80))
def test_top_k_is_the_naive_top_k(scores, k):
    assert top_k(scores, k) == naive.top_k(scores, k)


def test_top_k_never_pads_with_item_0():
    assert top_k([0, 0, 5, 0], 3) == [2]
    assert top_k([-math.inf] * 4, 3) == []


def test_top_k_keeps_negative_scores_and_puts_the_lower_index_first_among_equal_ones():
    assert top_k([-1, -1, 2, -3, 2], 4) == [2, 4, 0, 1]


@pytest.mark.parametrize("k", [1, 10, 999, 5000])
def test_top_k_of_many(k):
    scores = np.random.default_rng(0).integers(-50, 50, 2000).astype(np.float32)
    assert top_k(scores, k) == naive.top_k(scores.tolist(), k)


@QUICK
@given(SCORES.filter(len), st.data())
def test_a_bar_is_reached_by_as_many_as_are_wanted(values, data):
    least = data.draw(st.integers(1, len(values)))
    most = data.draw(st.integers(least, len(values)))
    found = top_kernels.bar(f4(values), least, most)
    reached = sum(value >= found for value in values)
    assert least <= reached
    if reached > most:  # only since some are equal: a higher bar would be too high
        assert sum(value > found for value in values) < least


@pytest.mark.parametrize("values", [[], [1.0, 2.0]])
def test_a_bar_for_more_than_there_are(values):
    assert top_kernels.bar(f4(values), len(values) + 1, 10) == -math.inf


@pytest.mark.parametrize("n", [1, 15, 200, 600])
def test_best_first_with_ties(n):
    rng = np.random.default_rng(n)
    items, scores = np.sort(rng.choice(5000, n, replace=False)).astype(np.int32), f4(rng.integers(-3, 3, n))
    for k in (1, n // 2, n, n + 1):
        best, their = top_kernels.best_first(items, scores, k)
        order = np.lexsort([items, -scores])[:k]
        assert best.tolist() == items[order].tolist()
        assert their.tolist() == scores[order].tolist()
