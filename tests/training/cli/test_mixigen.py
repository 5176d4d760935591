"""`mixigen`: trained on the release's generators, published beside them, reported on demand."""

import json

import polars as pl
import pytest

from service import registry
from service.store import Store
from tests.training import blending
from training.__main__ import main
from training.fitting import fit
from training.interactions import build

FAST = ["--set", "iterations=10", "segment_trees=2", "max_requests=300"]


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    return blending.write_log(tmp_path_factory.mktemp("events") / "events.parquet")


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store")
    store.publish(list(fit(build(blending.log()), blending.MODELS)), exclude_seen=False, default_cg="ease")
    return store


def test_publishes_a_blender_with_report_and_candidate_log(events, store, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    before = store.release()
    log = tmp_path / "log.parquet"
    command = ["mixigen", "--events", str(events), "--store", str(store.root), "--report", "--candidate-log", str(log)]
    assert main([*command, *FAST]) == 0
    release = store.release()
    assert {name: version for name, version in release.artifacts.items() if name != "mixigen"} == before.artifacts
    loaded = registry.load(store)
    assert loaded.mixigen.cgs == ("ease", "personal_top", "popular")
    assert pl.read_parquet(log)["source_cg"].n_unique() == 4
    numbers = json.loads((tmp_path / "reports" / "mixigen.json").read_text())
    for label in ("seen allowed", "seen excluded"):
        found = numbers[label]
        assert found["merge"]["constrained"] == {"rising": 0.0, "differs from full sort": 0.0}
        assert set(found["quality"]) == {f"{what}@{n}" for what in ("recall", "liked") for n in (30, 50, 100)}
        strategies = found["quality"]["recall@30"]["strategies"]
        assert {"mixigen", "best quota", "rrf", "round_robin", "ease"} <= set(strategies)
        row = strategies["best quota"]
        assert row["gain low"] <= row["gain"] <= row["gain high"]
        assert row["gain"] == pytest.approx(strategies["mixigen"]["mean"] - row["mean"])
        assert sum(found["worth"]["all"]["slots"].values()) == pytest.approx(1)
    for name in ("mixigen-curves.png", "mixigen-worth.png"):
        assert (tmp_path / "reports" / name).read_bytes().startswith(b"\x89PNG")
    printed = capsys.readouterr().out
    assert (tmp_path / "reports" / "mixigen.md").read_text() in printed
    assert f"release {release.release}" in printed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--set", "N=0"], "N = '0'"),
        (["--set", "speed=9"], "speed"),
        (["--candidate-log", "."], "is a folder"),
    ],
)
def test_bad_options_are_one_line(events, store, options, message, capsys):
    assert main(["mixigen", "--events", str(events), "--store", str(store.root), *options]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_a_store_without_release_is_refused(events, tmp_path, capsys):
    assert main(["mixigen", "--events", str(events), "--store", str(tmp_path)]) == 2
    assert "holds no release" in capsys.readouterr().err
