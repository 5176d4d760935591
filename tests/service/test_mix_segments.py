"""Segments of requests: what a request starts from, and arrays that do not fit."""

import numpy as np
import pytest

from service import registry
from service.errors import StoreError
from service.mix_features import REQUEST_FEATURES
from service.mix_habits import HABIT_FEATURES
from service.mix_segments import LEAF, Segments, values_of
from tests.mixes import mix_store, schema

HOUR, EXCLUDED = REQUEST_FEATURES.index("hour"), REQUEST_FEATURES.index("exclude_seen")
N_CGS, DEPTH = 3, 6


def request(**values):
    """Return the features of a request, 0 where nothing is said."""
    features = np.zeros(len(REQUEST_FEATURES), np.float32)
    for name, value in values.items():
        features[REQUEST_FEATURES.index(name)] = value
    return features


def two_trees():
    """One asks for the hour, then whether seen items are excluded; the other for nothing."""
    feature = np.int32([[HOUR, LEAF, EXCLUDED, LEAF, LEAF], [LEAF, LEAF, LEAF, LEAF, LEAF]])
    border = np.array([[11.5, 0, 0.5, 0, 0], [0.0] * 5])
    children = np.int32([[[1, 2], [0, 0], [3, 4], [1, 1], [2, 2]], [[0, 0]] * 5])
    curves = np.random.default_rng(0).random((2, 3, N_CGS, DEPTH), np.float32)
    return Segments(feature, border, children, curves)


@pytest.mark.parametrize(("hour", "excluded", "segment"), [(0, 0, 0), (11.5, 1, 0), (12, 0, 1), (12, 1, 2)])
def test_a_request_starts_from_the_mean_of_its_segments(hour, excluded, segment):
    trees = two_trees()
    found = trees.of(request(hour=hour, exclude_seen=excluded))
    np.testing.assert_allclose(found, (trees.curves[0, segment] + trees.curves[1, 0]) / 2.0, atol=1e-7)


def test_fixed_ones_differ_by_how_seen_items_are_treated():
    curves = np.random.default_rng(0).random((2, N_CGS, DEPTH))
    fixed = Segments.fixed(curves)
    fixed.check(schema(max_position=DEPTH))
    np.testing.assert_allclose(fixed.of(request()), curves[0], atol=1e-7)
    np.testing.assert_allclose(fixed.of(request(exclude_seen=1)), curves[1], atol=1e-7)


def test_habits_come_after_the_request_zeros_where_nobody_is_known():
    of = schema(habits=HABIT_FEATURES)
    own = np.arange(N_CGS * len(HABIT_FEATURES), dtype=np.float32).reshape(N_CGS, -1)
    values = values_of(request(hour=5), own, of)
    assert values[HOUR] == 5
    assert values[len(REQUEST_FEATURES) :].tolist() == own.ravel().tolist()
    assert not values_of(request(), None, of)[len(REQUEST_FEATURES) :].any()


def put(field, place, value):
    """Return the segments with one number changed."""
    trees = two_trees()
    getattr(trees, field)[place] = value
    return trees


@pytest.mark.parametrize(
    ("trees", "message"),
    [
        (put("feature", (0, 0), 99), "asks for column 99 of 13"),
        (put("feature", (0, 0), -2), "asks for column"),
        (put("children", (0, 0), (0, 2)), "refers to one that is not there, or not after it"),  # round and round
        (put("children", (0, 2), (3, 5)), "refers to one that is not there"),
        (put("children", (0, 3), 3), "refers to one that is not there"),
        (two_trees()._replace(border=np.zeros((2, 4))), r"wanted \(trees, nodes\)"),
        (two_trees()._replace(curves=np.zeros((2, 3, N_CGS, 5), np.float32)), r"wanted \(trees, segments, 3 · 6\)"),
        (two_trees()._replace(border=np.zeros((2, 5), np.float32)), "wanted int32, float64, int32, float32"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, trees, message):
    store = mix_store(tmp_path, segments=trees)
    with pytest.raises(StoreError, match=message):
        registry.load(store)
