"""From served mixes to training data: what is read, what was taken after each, and that it is learnt from."""

import contextlib
import json

import numpy as np
import polars as pl
import pytest

from service import registry
from service.mix import MixRequest, mix
from service.mix_log import MixLog
from service.store import Store
from tests.training import blending
from training import mixigen_stage, served_log
from training.candidate_log import END
from training.errors import DataError
from training.events import normalise
from training.fitting import fit
from training.interactions import build


@pytest.fixture(scope="module")
def served(tmp_path_factory, stage):
    """A release without a MixiGen of the stage's models."""
    store = Store(tmp_path_factory.mktemp("store"))
    store.publish(list(fit(build(stage.timeline.models), blending.MODELS)), exclude_seen=False)
    return registry.load(store)


@pytest.fixture(scope="module")
def part(stage):
    return stage.part("log", exclude_seen=False, most=80)


@pytest.fixture(scope="module")
def path(tmp_path_factory, stage, served, part):
    """What a server logs that is asked just before each of the part's requests; in two ways."""
    path = tmp_path_factory.mktemp("log") / "mixes.jsonl"
    ids = stage.release.users.ids_of(part.requests.user)
    with contextlib.closing(MixLog(path, 1.0)) as log:
        for row, (user, frame) in enumerate(zip(ids, part.requests.frame.iter_rows(named=True), strict=True)):
            request = MixRequest(
                user,
                n=20,
                cgs=stage.cgs,
                city_name=frame["city_name"],
                store_id=str(frame["store_id"]),
                timestamp=frame["timestamp"] - 1,
                exclude_seen=True if row % 4 == 0 else None,
            )
            stored = served.history.lookup(user)
            log.offer(served, request, stored, mix(served, request, stored))
    return path


def taken(stage, path, **bounds):
    lines = served_log.read(path)
    bounds = {"since": 0, "until": None} | bounds
    return served_log.take(lines, blending.log(), stage.release, stage.cgs, **bounds)


def test_every_worker_s_file_is_read_and_what_is_cut_off_is_not(path):
    lines = served_log.read(path)
    assert len(lines) == 80
    assert [line.time for line in lines] == sorted(line.time for line in lines)
    other = path.with_name(path.name + ".999999")
    text = next(iter(path.parent.glob(f"{path.name}.*"))).read_text().splitlines()[0]
    try:
        other.write_text(f"{text}\n{text[:100]}\n[]\n" + '{"features": {}}\n')
        assert len(served_log.read(path)) == 81
    finally:
        other.unlink()


def test_no_log_is_said(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        served_log.read(tmp_path / "mixes.jsonl")
    (tmp_path / "mixes.jsonl.1").write_text("{}\n")
    with pytest.raises(DataError, match="no line of a mix log in 1 file"):
        served_log.read(tmp_path / "mixes.jsonl")


def test_what_was_taken_is_what_a_loop_over_the_events_finds(stage, path):
    lines, found = served_log.read(path), taken(stage, path)
    positive = blending.log().filter(pl.col("action_type").is_in(["AT_CartUpdate", "AT_Purchase"]))
    events = positive.select("user_id", "item_id", "timestamp").collect().rows()
    wanted = {False: [], True: []}
    for number, line in enumerate(lines):
        later = [other.time for other in lines[number + 1 :] if other.user == line.user and other.time > line.time]
        end = min([line.time + served_log.HORIZON, *later])
        items = {item for user, item, time in events if user == line.user and line.time < time <= end}
        if line.exclude_seen:
            items -= set(stage.release.items.ids_of(stage.release.history.lookup(line.user).items))
        if items:
            wanted[line.exclude_seen].append((line.time, line.user, len(items)))
    for way in (False, True):
        requests = found[way].requests
        users = stage.release.users.ids_of(requests.user)
        rows = list(zip(requests.timestamps.tolist(), users, requests.positives.tolist(), strict=True))
        assert sorted(rows) == sorted(wanted[way])
        assert rows


def test_lists_and_features_are_those_of_the_moment(stage, path, part, blend):
    """The lines were logged for the part's requests by the same models: the blender sees the same."""
    found = taken(stage, path)[False]
    habits = blend.model.habits
    seen = served_log.see(found, stage.release, blend.model.schema, habits)
    whole = mixigen_stage.mixigen.see(
        stage.release, part.requests, blend.model.schema, exclude_seen=False, habits=habits
    )
    keys = list(zip(part.requests.user.tolist(), part.requests.timestamps.tolist(), strict=True))
    assert len(found.requests) > 20
    for row, line in enumerate(found.lines):
        other = keys.index((int(found.requests.user[row]), line.time + 1))
        np.testing.assert_allclose(seen.features[row], whole.features[other], atol=1e-3)
        np.testing.assert_array_equal(seen.lengths[row], whole.lengths[other])
        np.testing.assert_array_equal(seen.habits[row], whole.habits[other])
        own = part.lists.items[:, part.list_of[other]]
        np.testing.assert_array_equal(found.lists.items[:, row, :10], own[:, :10])
        assert (found.lists.items[:, row, 10:] == END).all()


def test_only_lines_between_the_bounds(stage, path):
    times = [line.time for line in served_log.read(path)]
    middle = times[len(times) // 2]
    early, late = taken(stage, path, until=middle), taken(stage, path, since=middle)
    assert max(early[False].requests.timestamps) < middle <= min(late[False].requests.timestamps)


def test_a_report_learns_from_no_line_of_what_it_is_made_of(stage, path):
    lines = served_log.read(path)
    begin = stage.timeline.validation.select(pl.col("timestamp").min()).collect().item()
    moved = [line.__class__(**{**vars(line), "time": begin + 5}) for line in lines[:3]]
    events = blending.log()
    kept = mixigen_stage.take_served(stage, [*lines, *moved], events, before_validation=True)
    assert all((own.requests.timestamps < begin).all() for own in kept.values())
    more = mixigen_stage.take_served(stage, [*lines, *moved], events, before_validation=False)
    assert sum(len(own.requests) for own in more.values()) >= sum(len(own.requests) for own in kept.values())


def test_the_blender_learns_from_them(stage, candidate_log, path, blend):
    served = taken(stage, path)
    more = mixigen_stage.train_on(stage, candidate_log, blending.SMALL, served=served)
    assert not np.array_equal(more.model.segments.curves, blend.model.segments.curves)


def test_other_users_items_and_lines_are_left_out(stage):
    line = {
        "time": 1.5,
        "user_id": 1,
        "features": {
            "timestamp": None,
            "city_name": None,
            "store_id": None,
            "exclude_seen": False,
            "history": [[1], [2], [3]],
        },
        "heads": {"ease": [12345]},
    }
    only = served_log._line(json.loads(json.dumps(line)))
    assert (only.time, only.user, only.history) == (1, 1, ([1], [2], [3]))
    events = normalise(pl.LazyFrame({"user_id": [1], "item_id": [2], "timestamp": [3]}), "test")
    found = served_log.take([only], events, stage.release, stage.cgs, since=0, until=None)
    assert [len(own.requests) for own in found.values()] == [0, 0]
