import numpy as np
import pytest

from training.candidate_log import END, Lists
from training.mixigen_base import base_curves, new_places


def lists(items):
    items = np.int32(items)
    return Lists(tuple("abc"[: len(items)]), np.arange(items.shape[1], dtype=np.int32), items, items[0], False)


def test_new_places_are_those_that_the_merge_gives():
    of = lists([[[0, 1, 2]], [[1, 3, END]]])
    curves = np.array([[[9.0, 5.0, 1.0], [8.0, 2.0, 0.0]]])  # a1, b1, a2 (b has it), b2, a3
    assert new_places(of, np.array([0]), curves, 4)[0].tolist() == [[True, False, True], [True, True, False]]


def test_a_place_is_worth_the_mean_of_its_new_items():
    """b repeats a's first item, which was bought: that is worth nothing to b, whose second one is."""
    of = lists([[[0, 1]] * 2, [[0, 2]] * 2])
    value = np.float32([[[1, 0], [1, 0.5]], [[1, 0.2], [1, 0.3]]])
    found = base_curves(of, np.array([0, 1]), value, monotone=True)
    np.testing.assert_allclose(found, [[1.0, 0.1], [0.4, 0.4]], atol=1e-6)


def test_curves_fall_unless_they_need_not():
    of = lists([[[0, 1, 2]]])
    value = np.float32([[[0.1, 0.4, 0.1]]])
    falling = base_curves(of, np.array([0]), value, monotone=True)
    np.testing.assert_allclose(falling, [[0.25, 0.25, 0.1]], atol=1e-6)
    np.testing.assert_allclose(base_curves(of, np.array([0]), value, monotone=False), value[0], atol=1e-6)


def test_an_empty_generator_is_worth_nothing():
    of = lists([[[0, 1]], [[END, END]]])
    found = base_curves(of, np.array([0]), np.ones((1, 2, 2), np.float32), monotone=True)
    np.testing.assert_allclose(found, [[1.0, 1.0], [0.0, 0.0]], atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_it_is_as_good_as_the_best_fixed_quota(seed):
    """Two generators of known hit rates by position, disjoint: the base allocates as the rates say."""
    rng = np.random.default_rng(seed)
    requests, depth = 400, 20
    rates = np.stack([0.9 * 0.8 ** np.arange(depth), np.full(depth, 0.2)])
    value = (rng.random((requests, 2, depth)) < rates).astype(np.float32)
    items = np.arange(2 * depth, dtype=np.int32).reshape(2, 1, depth)
    base = base_curves(lists(items), np.zeros(requests, np.int64), value, monotone=True)
    np.testing.assert_allclose(base, rates, atol=0.07)
    assert (np.diff(base, axis=1) <= 0).all()
