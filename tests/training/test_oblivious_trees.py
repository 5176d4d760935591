"""The service's trees give what catboost gives."""

import json

import numpy as np
import pytest

from service.mix_features import REQUEST_FEATURES, MixSchema, feature_names, rows
from service.mix_model import MixModel
from training.oblivious_trees import from_catboost_json

catboost = pytest.importorskip("catboost")

SCHEMA = MixSchema(cgs=("a", "b", "c"), acceptance={"a": 0.5, "b": 0.125, "c": 0.25}, max_position=12)
WIDTH = len(feature_names(SCHEMA))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A ranker of mixed depth over random features, some NaN; and its rows."""
    rng = np.random.default_rng(7)
    groups, per_group = 60, 3 * SCHEMA.max_position
    X = np.concatenate([_request_rows(rng) for _ in range(groups)])
    target = X[:, 0] * (X[:, -1] < 5) + X[:, 12] - 0.1 * X[:, -1] + rng.normal(size=len(X))
    X[rng.random(X.shape) < 0.02] = np.nan
    model = catboost.CatBoostRanker(
        iterations=40,
        depth=5,
        boost_from_average=False,
        loss_function="YetiRank",
        thread_count=1,
        random_seed=0,
        verbose=False,
        allow_writing_files=False,
    )
    model.fit(catboost.Pool(X, target, group_id=np.repeat(np.arange(groups), per_group)))
    path = tmp_path_factory.mktemp("catboost") / "model.json"
    model.save_model(str(path), format="json")
    return model, json.loads(path.read_text()), X


def _request_rows(rng):
    request = (rng.normal(size=len(REQUEST_FEATURES)) * 3).astype(np.float32)
    return rows(request, SCHEMA, rng.integers(0, 100, 3).astype(np.float32))


def test_predict_is_catboosts_predict(trained):
    model, exported, X = trained
    ours = MixModel(from_catboost_json(exported), SCHEMA)
    np.testing.assert_allclose(ours.predict(X), model.predict(X), atol=1e-9)


def test_predict_is_catboosts_predict_on_and_beside_the_borders(trained):
    model, exported, X = trained
    ours = MixModel(from_catboost_json(exported), SCHEMA)
    borders = [np.float32(feature["borders"]) for feature in exported["features_info"]["float_features"]]
    rng = np.random.default_rng(1)
    for _ in range(20):
        probe = X[rng.integers(0, len(X), 50)].copy()
        for column, values in enumerate(borders):
            if len(values):
                chosen = rng.choice(values, 50)
                towards = rng.choice(np.float32([-np.inf, 0, np.inf]), 50)
                with np.errstate(over="ignore"):  # the border that only NaN is below is −max
                    probe[:, column] = np.where(towards == 0, chosen, np.nextafter(chosen, towards))
        np.testing.assert_allclose(ours.predict(probe), model.predict(probe), atol=1e-9)


def test_curves_are_catboosts_predict_of_all_rows(trained):
    model, exported, _ = trained
    ours = MixModel(from_catboost_json(exported), SCHEMA)
    rng = np.random.default_rng(2)
    for case in range(50):
        request = (rng.normal(size=len(REQUEST_FEATURES)) * 3).astype(np.float32)
        if case % 5 == 0:
            request[rng.integers(0, len(request))] = np.nan
        lengths = rng.integers(0, 100, 3).astype(np.float32)
        wanted = model.predict(rows(request, SCHEMA, lengths)).reshape(3, -1)
        np.testing.assert_allclose(ours.curves(request, SCHEMA.cgs, lengths), wanted, atol=1e-6)
        np.testing.assert_allclose(ours.curves(request, ("c", "a"), lengths[[2, 0]]), wanted[[2, 0]], atol=1e-6)


def test_curves_with_habits_are_catboosts_predict_of_all_rows(tmp_path):
    schema = SCHEMA.model_copy(update={"habits": ("liked", "bought")})
    rng = np.random.default_rng(3)
    n, width = 3_000, len(feature_names(schema))
    X = rng.normal(size=(n, width)).astype(np.float32)
    X[:, -1] = rng.integers(1, schema.max_position + 1, n)
    label = X[:, -2] * (X[:, 0] > 0) + X[:, -3] - 0.1 * X[:, -1] + X[:, -4]
    model = catboost.CatBoostRegressor(iterations=30, thread_count=1, verbose=False, allow_writing_files=False)
    model.fit(X, label)
    path = tmp_path / "model.json"
    model.save_model(str(path), format="json")
    ours = MixModel(from_catboost_json(json.loads(path.read_text())), schema)
    n_cgs = len(schema.cgs)
    for _ in range(20):
        request = rng.normal(size=len(REQUEST_FEATURES)).astype(np.float32)
        lengths = rng.normal(size=n_cgs).astype(np.float32)
        habits = rng.normal(size=(n_cgs, 2)).astype(np.float32)
        wanted = model.predict(rows(request, schema, lengths, habits)).reshape(n_cgs, -1)
        found = ours.curves(request, schema.cgs, lengths, habits)
        np.testing.assert_allclose(found, wanted, atol=1e-6)
        backwards = ours.curves(request, schema.cgs[::-1], lengths[::-1], habits)
        np.testing.assert_allclose(backwards, wanted[::-1], atol=1e-6)
        nobody = model.predict(rows(request, schema, lengths)).reshape(n_cgs, -1)
        np.testing.assert_allclose(ours.curves(request, schema.cgs, lengths), nobody, atol=1e-6)
    assert np.abs(nobody - wanted).max() > 0.01


def test_scale_and_bias_and_trees_of_different_depth(trained):
    _, exported, X = trained
    changed = json.loads(json.dumps(exported))
    tree = changed["oblivious_trees"][0]
    tree["splits"], tree["leaf_values"] = tree["splits"][:1], [1.0, -1.0]
    changed["oblivious_trees"][1] = {"splits": None, "leaf_values": [0.5], "leaf_weights": [1]}
    changed["scale_and_bias"] = [2.0, [0.75]]
    ours = MixModel(from_catboost_json(changed), SCHEMA).predict(X)
    same = MixModel(from_catboost_json({**exported, "oblivious_trees": exported["oblivious_trees"][2:]}), SCHEMA)
    split = tree["splits"][0]
    first = np.where(X[:, split["float_feature_index"]] > np.float32(split["border"]), -1.0, 1.0)
    np.testing.assert_allclose(ours, 2 * (same.predict(X) + first + 0.5) + 0.75, atol=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features_info": {"float_features": [], "categorical_features": [{}]}}, "numeric columns only"),
        ({"features_info": {"float_features": [{"nan_value_treatment": "AsTrue"}]}}, "nan_mode=Min"),
        ({"oblivious_trees": [{"splits": [{"split_type": "OneHotFeature"}], "leaf_values": [0, 0]}]}, "OneHotFeature"),
        ({"scale_and_bias": [1, [0, 0]]}, "2 values for each row"),
    ],
)
def test_what_cannot_be_served_is_refused(trained, change, message):
    _, exported, _ = trained
    with pytest.raises(ValueError, match=message):
        from_catboost_json({**exported, **change})


def test_other_trees_than_symmetric_ones_are_refused(trained):
    _, exported, _ = trained
    with pytest.raises(ValueError, match="SymmetricTree"):
        from_catboost_json({key: value for key, value in exported.items() if key != "oblivious_trees"})
