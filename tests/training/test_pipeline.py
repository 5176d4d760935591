import dataclasses

import polars as pl
import pytest

from service import registry
from service.store import Store
from training import pipeline, preset
from training.algorithms import ALGORITHMS, make_config
from training.errors import DataError
from training.fitting import Model
from training.pipeline import Log, Plan

PLAN = Plan(
    models=[
        Model("popular", "popular", {}),
        Model("ease", "ease", {"lambd": 10.0, "weighting": "count"}),
        Model("als", "als", {"dim": 8, "max_iter": 3}),
    ],
    split_by="time",
    exclude_seen=False,
    default_cg="ease",
)


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    folder = tmp_path_factory.mktemp("log")
    return Log.prepare("synthetic", {"rows": 60_000, "seed": 3}, "time", folder)


@pytest.mark.parametrize("refit", [True, False])
def test_one_release_with_quality_and_settings(tmp_path, log, refit):
    store = Store(tmp_path / "store")
    release, quality = pipeline.run(store, Store(tmp_path / "scratch"), PLAN, log, refit)
    assert store.releases() == [release.release]
    assert set(release.artifacts) == {"data", "popular", "ease", "als", "mixigen"}
    assert (release.exclude_seen, release.default_cg) == (False, "ease")
    assert release.metrics == quality
    assert 0 < quality["seen allowed"]["ease"]["recall@10"] < 0.9
    loaded = registry.load(store)
    users = {name: pl.scan_parquet(path).filter(pl.col("action_type") != "AT_View") for name, path in vars(log).items()}
    served = "events" if refit else "train"
    expected = users[served].filter(pl.col("action_type").is_in(["AT_CartUpdate", "AT_Purchase"]))
    assert len(loaded.users) == expected.select(pl.col("user_id").n_unique()).collect().item()
    assert {"mix", "mix:rrf"} < set(quality["seen allowed"])
    assert loaded.mixigen.cgs == ("ease", "als", "popular")
    assert len(list((tmp_path / "store" / "artifacts").glob("*/*"))) == 5, "nothing is stored that is not served"


def test_a_log_too_short_to_learn_a_blend_makes_a_release_without(tmp_path, capsys):
    log = Log.prepare("synthetic", {"rows": 800, "seed": 3}, "time", tmp_path)
    plan = dataclasses.replace(PLAN, models=PLAN.models[:2])
    release, quality = pipeline.run(Store(tmp_path / "store"), Store(tmp_path / "scratch"), plan, log, refit=True)
    assert set(release.artifacts) == {"data", "popular", "ease"}
    assert "mix" not in quality["seen allowed"]
    assert "no MixiGen: " in capsys.readouterr().err


def test_the_table_has_both_ways_for_each_generator():
    values = {"recall@10": 0.1, "recall@50": 0.2}
    table = pipeline.quality_table({"seen allowed": {"ease": values}, "seen excluded": {"ease": values}})
    assert list(table["ease"]) == [
        "recall@10, seen allowed",
        "recall@50, seen allowed",
        "recall@10, seen excluded",
        "recall@50, seen excluded",
    ]


@pytest.mark.parametrize("name", preset.names())
def test_every_shipped_preset_is_valid(name):
    tables = preset.load(name)
    assert set(tables) <= {*ALGORITHMS, "release"}
    plan = pipeline.make_plan(tables)
    assert plan.default_cg in {model.name for model in plan.models}
    for model in plan.models:
        make_config(model.algorithm, model.values)


def test_a_dataset_without_preset_fits_everything_with_defaults():
    plan = pipeline.plan_for("lavka")
    assert [model.algorithm for model in plan.models] == list(ALGORITHMS)
    assert all(not model.values for model in plan.models)
    assert plan.exclude_seen


def test_an_unknown_preset_names_the_valid_ones():
    with pytest.raises(DataError, match="complete-journey, movielens-100k"):
        preset.load("../complete-journey")
