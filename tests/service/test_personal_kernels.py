"""A user's own items in order, against the rule written down naively."""

import numpy as np
import pytest

from service.history_kernels import WEIGHTINGS
from service.personal_kernels import best_own, count_eligible, half_lives

HALF_LIFE = 5_000.0


def naive(items, weights, last, half_life, known, excluded, allowed):
    """Sort (score falling, time falling, item rising) of what is eligible."""
    newest = max(last)
    rows = []
    for item, weight, time in zip(items.tolist(), weights, last.tolist(), strict=True):
        eligible = (not len(known) or known[item]) and (not len(allowed) or allowed[item]) and item not in excluded
        if eligible:
            score = np.float32(weight * np.exp2((time - newest) / half_life))
            rows.append((-score, -time, item))
    return [item for _, _, item in sorted(rows)], [-score for score, _, _ in sorted(rows)]


@pytest.mark.parametrize("half_life", [HALF_LIFE, np.inf])
@pytest.mark.parametrize("baskets", [1, 7, 100_000])
@pytest.mark.parametrize("filtered", [True, False])
def test_the_order_is_the_rule_written_down(half_life, baskets, filtered):
    rng = np.random.default_rng(baskets)
    for size in (1, 2, 50, 400):
        items = np.sort(rng.permutation(1000)[:size]).astype(np.int32)
        counts = rng.integers(1, 4, size).astype(np.int32)
        last = rng.integers(0, baskets, size).astype(np.int64)
        none, few = np.empty(0, np.bool_), np.sort(rng.permutation(1000)[:200]).astype(np.int32)
        known, excluded, allowed = (
            (rng.random(1000) < 0.7, few, rng.random(1000) < 0.7) if filtered else (none, few[:0], none)
        )
        expected, scores = naive(items, counts, last, half_life, known, excluded, allowed)
        to_model = np.where(known, 0, -1).astype(np.int32)
        decay = np.exp2(half_lives(last, np.array([0, size], np.int32), half_life))
        for k in (0, 1, 2, 30, size, 1000):
            found = best_own(items, counts, last, decay, WEIGHTINGS["count"], to_model, excluded, allowed, k)
            assert [part.tolist() for part in found] == [expected[:k], scores[:k]]
        assert count_eligible(items, to_model, excluded, allowed) == len(expected)


def test_a_long_history_of_equals_is_sorted_and_not_inserted():
    """A hundred thousand ties in the worst order: quadratic work would take minutes."""
    n = 100_000
    items, last = np.arange(n, dtype=np.int32), np.arange(n, dtype=np.int64)
    none = np.empty(0, np.bool_)
    found, _ = best_own(items, items, last, np.ones(n), WEIGHTINGS["binary"], items[:0], items[:0], none, n)
    assert found.tolist() == list(range(n))[::-1]


def test_times_of_several_histories_are_those_before_the_latest_of_each():
    last, starts = np.array([5, 3, 9, 7], np.int64), np.array([0, 2, 2, 4], np.int32)
    assert half_lives(last, starts, 2.0).tolist() == [0.0, -1.0, 0.0, -1.0]
