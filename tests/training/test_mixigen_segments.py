"""The forest of segments: who is told apart, what is expected out of bag, and that it is what is served."""

import numpy as np
import pytest

from service.mix_features import REQUEST_FEATURES
from tests.training.test_mixigen import DEPTH, EXCLUDED, HOUR, N_CGS, SCHEMA, logged
from training import mixigen_segments
from training.mixigen_base import base_curves


def grow(logs, **values):
    settings = {"trees": 8, "segments": 4, "monotone": True, "seed": 0, **values}
    return mixigen_segments.grow(logs, SCHEMA, **settings)


@pytest.fixture(scope="module")
def logs():
    rng = np.random.default_rng(0)
    return [logged(rng, 1200)[0], logged(rng, 1200, exclude_seen=True)[0]]


def test_requests_of_unequal_hours_start_from_unequal_allocations(logs):
    segments, _ = grow(logs)
    segments.check(SCHEMA)
    fresh, morning = logged(np.random.default_rng(1), 200)
    curves = np.stack([segments.of(values) for values in fresh.seen.values(SCHEMA)])
    good, bad = 0.8 * 0.9 ** np.arange(DEPTH), 0.2 * 0.9 ** np.arange(DEPTH)
    for who, wanted in ((morning, (good, bad)), (~morning, (bad, good))):
        np.testing.assert_allclose(curves[who, :2].mean(axis=0), wanted, atol=0.12)  # some trees miss it
    assert (np.diff(curves, axis=2) <= 0).all()


def test_seen_items_excluded_is_another_task(logs):
    """With seen items excluded the first two generators change places."""
    swapped = logs[1]._replace(value=np.ascontiguousarray(logs[1].value[:, [1, 0, 2]]))
    segments, _ = grow([logs[0], swapped])
    morning = (logs[0].seen.features[:, HOUR] < 12).nonzero()[0][:50]
    values = logs[0].seen.values(SCHEMA)[morning]
    for excluded, better in ((0, 0), (1, 1)):
        values[:, EXCLUDED] = excluded
        curves = np.mean([segments.of(own) for own in values], axis=0)
        assert curves[better].mean() > 2 * curves[1 - better].mean()


def test_what_is_expected_of_a_request_was_learnt_without_it(logs):
    """A request whose places are worth very much changes what is served for its like, not what is expected for it."""
    rich = logs[0].value.copy()
    rich[0] = 100.0
    plain, expected = grow(logs)
    changed, also = grow([logs[0]._replace(value=rich), logs[1]])
    values = logs[0].seen.values(SCHEMA)[0]
    assert changed.of(values).mean() > plain.of(values).mean() + 0.05
    assert also[0][0].mean() < expected[0][0].mean() + 0.05


def test_one_segment_is_one_allocation(logs):
    segments, expected = grow(logs, segments=1, trees=16)
    for way, log in enumerate(logs):
        wanted = base_curves(*log[1:4], monotone=True)
        np.testing.assert_allclose(segments.of(log.seen.values(SCHEMA)[3]), wanted, atol=0.05)
        np.testing.assert_allclose(expected[way][3], wanted, atol=0.08)
    assert segments.feature.shape[1] == 3


def test_a_few_requests_are_all_alike():
    rng = np.random.default_rng(0)
    few = [logged(rng, 3)[0], logged(rng, 3, exclude_seen=True)[0]]
    segments, expected = grow(few, trees=2)
    assert segments.feature.shape[1] == 3
    assert all(np.isfinite(own).all() for own in expected)


def test_habits_are_asked_for(logs):
    """Only a habit tells morning from evening."""
    schema = SCHEMA.model_copy(update={"habits": ("h",)})

    def without_the_hour(log):
        features, rng = log.seen.features.copy(), np.random.default_rng(0)
        habits = rng.normal(size=(len(features), N_CGS, 1)).astype(np.float32)
        habits[:, 1, 0] = features[:, HOUR] < 12
        features[:, HOUR] = 0
        return log._replace(seen=log.seen._replace(features=features, habits=habits))

    hidden = [without_the_hour(log) for log in logs]
    segments, _ = mixigen_segments.grow(hidden, schema, trees=4, segments=4, monotone=True, seed=0)
    assert (segments.feature == len(REQUEST_FEATURES) + 1).any()
