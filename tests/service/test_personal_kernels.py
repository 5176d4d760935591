"""A user's own items in order, against the rule written down naively."""

import numpy as np
import pytest

from service.personal_kernels import count_eligible, rank_own

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
        weights = rng.integers(1, 4, size).astype(np.float32)
        last = rng.integers(0, baskets, size).astype(np.int64)
        none, few = np.empty(0, np.bool_), np.sort(rng.permutation(1000)[:200]).astype(np.int32)
        known, excluded, allowed = (
            (rng.random(1000) < 0.7, few, rng.random(1000) < 0.7) if filtered else (none, few[:0], none)
        )
        given = (items, weights, last, half_life, known, excluded, allowed)
        found, scores = rank_own(*given)
        expected = naive(*given)
        assert (found.tolist(), scores.tolist()) == expected
        assert count_eligible(items, known, excluded, allowed) == len(expected[0])


def test_a_long_history_of_equals_is_sorted_and_not_inserted():
    """A hundred thousand ties in the worst order: quadratic work would take minutes."""
    n = 100_000
    items, last = np.arange(n, dtype=np.int32), np.arange(n, dtype=np.int64)
    none = np.empty(0, np.bool_)
    found, _ = rank_own(items, np.ones(n, np.float32), last, np.inf, none, items[:0], none)
    assert found.tolist() == list(range(n))[::-1]
