"""Sampled mixes: what a line says, and a log that cannot be written."""

import contextlib
import json
import os

import pytest

from service import metrics, registry
from service.mix import MixRequest, mix
from service.mix_log import HEAD, MixLog
from tests.mixes import mix_store
from tests.stores import user_id


@pytest.fixture
def release(tmp_path):
    store = mix_store(tmp_path / "store")
    return registry.load(store, store.current())


@pytest.fixture(autouse=True)
def _counted_anew():
    metrics.reset()


def offer(log, release):
    request = MixRequest(user_id(1), n=5, city_name="Bonn", timestamp=1_700_000_000)
    stored = release.history.lookup(user_id(1))
    found = mix(release, request, stored)
    log.offer(release, request, stored, found)
    return found


def test_a_line_says_what_was_blended(tmp_path, release):
    with contextlib.closing(MixLog(tmp_path / "mixes.jsonl", 1.0)) as log:
        found = offer(log, release)
    line = json.loads((tmp_path / f"mixes.jsonl.{os.getpid()}").read_bytes())
    assert (line["release"], line["strategy"], line["user_id"]) == (release.name, "mixigen", user_id(1))
    assert line["features"]["city_name"] == "Bonn"
    assert [line["slots"].count(name) for name in found.cgs] == list(found.slots.values())
    assert len(line["items"]) == len(line["slots"]) == len(found.blend)
    for name, head in line["heads"].items():
        assert len(head) <= HEAD
        own = [item for item, cg in zip(line["items"], line["slots"], strict=True) if cg == name]
        assert set(own) <= set(head)


def test_only_what_is_drawn_is_logged(tmp_path, release):
    draws = iter([0.2, 0.05, 0.1])
    with contextlib.closing(MixLog(tmp_path / "mixes.jsonl", 0.1, lambda: next(draws))) as log:
        for _ in range(3):
            offer(log, release)
    assert metrics.counters == {("mix_log", ("written",)): 1}


def test_a_log_that_cannot_be_written_is_counted(tmp_path, release):
    log = MixLog(tmp_path / "nowhere" / "mixes.jsonl", 1.0)
    offer(log, release)
    offer(log, release)
    assert metrics.counters == {("mix_log", ("dropped",)): 2}
