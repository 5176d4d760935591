"""The blender learns what is there to be learned, and leaves the rest to the fixed allocation."""

import numpy as np
import pytest

from service.mix_features import REQUEST_FEATURES, MixSchema, feature_names, rows
from training import mixigen
from training.candidate_log import Lists
from training.errors import DataError
from training.mixigen import Config
from training.mixigen_base import base_curves
from training.mixigen_logged import Logged, Seen

DEPTH, N_CGS = 20, 3
SCHEMA = MixSchema(cgs=("a", "b", "noise"), acceptance={"a": 0.1, "b": 0.1, "noise": 0.0}, max_position=DEPTH)
CONFIG = Config(iterations=60, positions=DEPTH, num_threads=1)
HOUR = REQUEST_FEATURES.index("hour")
EXCLUDED = REQUEST_FEATURES.index("exclude_seen")


def logged(rng, n=800, *, exclude_seen=False, by_hour=True):
    """In the morning a's places are worth more, later b's; the third generator is worth nothing."""
    features = rng.random((n, len(REQUEST_FEATURES))).astype(np.float32)
    features[:, HOUR] = rng.integers(0, 24, n)
    features[:, EXCLUDED] = exclude_seen
    morning = features[:, HOUR] < 12 if by_hour else np.ones(n, bool)
    good, bad = 0.8 * 0.9 ** np.arange(DEPTH), 0.2 * 0.9 ** np.arange(DEPTH)
    rates = np.where(morning[:, None, None], np.stack([good, bad, 0 * bad]), np.stack([bad, good, 0 * bad]))
    value = (rng.random(rates.shape) < rates).astype(np.float32)
    items = np.arange(N_CGS * DEPTH, dtype=np.int32).reshape(N_CGS, 1, DEPTH)
    lists = Lists(SCHEMA.cgs, np.int32([0]), items, items[0], exclude_seen)
    seen = Seen(features, np.full((n, N_CGS), DEPTH, np.float32))
    return Logged(seen, lists, np.zeros(n, np.int64), value, np.arange(n)), morning


@pytest.fixture(scope="module")
def trained():
    rng = np.random.default_rng(0)
    logs = [logged(rng)[0], logged(rng, exclude_seen=True)[0]]
    return mixigen.train(logs, SCHEMA, CONFIG, N_CGS * DEPTH), logs


def shares_of_first(model, log, n=10):
    """Share of each generator in the first n places of every request."""
    curves = mixigen.curves(model, log.seen)
    order = np.argsort(-curves.reshape(len(curves), -1), axis=1, kind="stable")[:, :n] // DEPTH
    return np.stack([(order == cg).mean(axis=1) for cg in range(N_CGS)], axis=1)


@pytest.mark.parametrize("exclude_seen", [False, True])
def test_who_supplies_depends_on_the_hour(trained, exclude_seen):
    log, morning = logged(np.random.default_rng(1), exclude_seen=exclude_seen)
    shares = shares_of_first(trained[0].model, log)
    assert shares[morning, 0].mean() > 0.75
    assert shares[~morning, 1].mean() > 0.75
    assert shares[:, 2].max() < 0.05, "nothing is taken from what is worth nothing"


def test_scores_tell_by_how_much_places_differ(trained):
    log, morning = logged(np.random.default_rng(2))
    curves = mixigen.curves(trained[0].model, log.seen)
    difference = curves[morning, 0] - curves[morning, 1]
    # few trees stay below the truth at the very top
    np.testing.assert_allclose(difference[:, [5, 9]].mean(axis=0), 0.6 * 0.9 ** np.array([5, 9]), atol=0.12)


def test_no_score_rises_and_free_ones_may(trained):
    blend, logs = trained
    assert mixigen.rising(mixigen.curves(blend.model, logs[0].seen)) == 0
    free = mixigen.train(logs, SCHEMA, CONFIG.model_copy(update={"monotone": False}), N_CGS * DEPTH)
    assert mixigen.rising(mixigen.curves(free.model, logs[0].seen)) > 0.05
    assert mixigen.rising(np.array([[1.0, 2.0, 2.0, 1.0]])) == pytest.approx(1 / 3)


def test_curves_are_those_of_the_segment_and_catboosts_prediction(trained):
    blend, logs = trained
    seen = logs[1].seen
    curves = mixigen.curves(blend.model, seen)
    for request in (0, 7):
        X = rows(seen.features[request], SCHEMA, seen.lengths[request])
        start = blend.model.segments.of(seen.features[request])
        wanted = start + blend.ranker.predict(X).reshape(N_CGS, DEPTH)
        np.testing.assert_allclose(curves[request], wanted, atol=1e-6)


def test_with_nothing_to_be_learned_the_fixed_allocation_is_left():
    rng = np.random.default_rng(3)
    logs = [logged(rng, 300, by_hour=False)[0] for _ in range(2)]
    blend = mixigen.train(logs, SCHEMA, CONFIG, N_CGS * DEPTH)
    curves = mixigen.curves(blend.model, logs[0].seen)
    fixed = base_curves(*logs[0][1:4], monotone=True)
    assert np.abs(curves - fixed).mean() < 0.03


def test_worth_is_in_candidates_among_the_best_n():
    liked, bought = np.array([[[True, False]]]), np.array([[[True, True]]])
    for target, wanted in (("ranker", [1, 0]), ("bought", [7.5, 7.5]), ("both", [8.5, 7.5])):
        config = Config(N=30, target=target)
        assert mixigen.worth(liked, bought, np.array([4]), config).tolist() == [[wanted]]


def test_one_moment_is_not_enough():
    rng = np.random.default_rng(0)
    logs = [logged(rng, 5)[0]._replace(timestamps=np.zeros(5, np.int64)) for _ in range(2)]
    with pytest.raises(ValueError, match="use more events"):
        mixigen.train(logs, SCHEMA, CONFIG, N_CGS * DEPTH)


def test_config_from_the_command_line():
    assert mixigen.make_config({"N": "50", "target": "bought", "monotone": "false"}).monotone is False
    with pytest.raises(DataError, match="mixigen: target = 'best'"):
        mixigen.make_config({"target": "best"})


def test_schema(stage, candidate_log):
    schema = stage.schema(candidate_log[False], CONFIG)
    assert schema.cgs == stage.cgs
    assert set(schema.cities) == {f"City {number}" for number in range(6)}
    assert all(0 < rate < 1 for rate in schema.acceptance.values())
    assert feature_names(schema)[-1] == "position"
