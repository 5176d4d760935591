"""The stage as a whole: what it makes is served, and is what offline code computes."""

import numpy as np
import polars as pl
import pytest

from service import registry
from service.cg.base import Filters, Query
from service.generate import Request, generate
from service.mix import MixRequest, mix
from service.mix_features import Context, list_lengths, request_features, rows
from service.mix_segments import values_of
from service.store import Store
from tests.training import blending
from training import mixigen, mixigen_stage
from training.errors import DataError
from training.fitting import fit
from training.interactions import build
from training.merge import merge


@pytest.fixture(scope="module")
def served(tmp_path_factory, stage, blend):
    """The models of the stage's first part, published together with the blender."""
    store = Store(tmp_path_factory.mktemp("store"))
    store.publish(list(fit(build(stage.timeline.models), blending.MODELS)), exclude_seen=False)
    store.publish([mixigen_stage.make_draft(blending.log(), blend, blending.SMALL, 1.0)])
    return registry.load(store)


def test_what_was_trained_is_what_is_loaded(served, blend):
    assert served.mixigen.cgs == ("ease", "personal_top", "popular")
    model = served.mixigen.model
    assert model.schema == blend.model.schema
    for loaded, trained in zip(
        (*model.trees, *model.segments), (*blend.model.trees, *blend.model.segments), strict=True
    ):
        np.testing.assert_array_equal(loaded, trained)
    np.testing.assert_array_equal(model.habits.values, blend.model.habits.values)
    np.testing.assert_array_equal(model.habits.users.ids, blend.model.habits.users.ids)
    assert blend.trees > 0


def requests_of(stage, n, exclude_seen):
    part = stage.part("test", exclude_seen=exclude_seen, most=n)
    return part, list(
        zip(part.requests.user.tolist(), part.requests.frame.iter_rows(named=True), range(n), strict=False)
    )


@pytest.mark.parametrize("exclude_seen", [False, True])
def test_online_is_offline_item_for_item(served, stage, blend, exclude_seen):
    """The mix that is served = scoring every (generator, position) and sorting = the merge of the logged lists."""
    part, requests = requests_of(stage, 60, exclude_seen)
    n = 40
    habits = blend.model.habits
    seen = mixigen.see(stage.release, part.requests, blend.model.schema, exclude_seen=exclude_seen, habits=habits)
    picks = merge(part.items, part.list_of, mixigen.curves(blend.model, seen), part.n_items, n)
    for user, frame, row in requests:
        key = stage.release.users.ids_of(np.int32([user]))[0]
        request = MixRequest(
            key,
            n=n,
            exclude_seen=exclude_seen,
            city_name=frame["city_name"],
            store_id=str(frame["store_id"]),
            timestamp=frame["timestamp"],
        )
        answer = mix(served, request, served.history.lookup(key))
        assert answer.strategy == "mixigen"
        online = list(zip(answer.blend.items.tolist(), answer.blend.cg.tolist(), strict=True))
        assert online == by_sorting(served, blend, request, n)
        flat = part.items[:, part.list_of[row]].ravel()
        assert [item for item, _ in online] == flat[picks[row][: len(online)]].tolist()


def by_sorting(release, blend, request, n):
    """All places scored as catboost's trees score rows, and sorted."""
    history = release.history.lookup(request.user_id)
    filters = Filters(history.items) if request.exclude_seen else Filters()
    cgs = [release.cg(name) for name in blend.model.schema.cgs]
    schema = blend.model.schema
    context = Context(request.timestamp, request.city_name, request.store_id, request.exclude_seen)
    vector = request_features(history, context, schema)
    query = Query(request.user_id, history, filters=filters)
    habits = blend.model.habits.of(query, request.exclude_seen)
    X = rows(vector, schema, list_lengths(cgs, query), habits)
    own = blend.ranker.predict(X).reshape(len(cgs), -1) + blend.model.segments.of(values_of(vector, habits, schema))
    lists = [
        generate(release, Request(request.user_id, cg.name, 1000, request.exclude_seen), history).result.own.items
        for cg in cgs
    ]
    places = [
        (-round(own[cg, min(position, own.shape[1] - 1)], 9), position, cg, item)
        for cg, items in enumerate(lists)
        for position, item in enumerate(items.tolist())
    ]
    first: dict[int, int] = {}
    for _, _, cg, item in sorted(places):
        first.setdefault(item, cg)
    return list(first.items())[:n]


def test_parts_follow_the_time_line(stage):
    last = None
    for name in ("models", "ranker", "log", "validation", "test"):
        times = getattr(stage.timeline, name).select(pl.col("timestamp").min()).collect().item()
        assert last is None or times >= last
        last = times
    known = stage.release.history._last.max()
    assert stage.part("log", exclude_seen=False, most=50).requests.timestamps.min() >= known


def test_the_candidate_log_on_disk(stage, candidate_log, tmp_path):
    path = tmp_path / "log.parquet"
    written = mixigen_stage.write_candidate_log(stage, candidate_log, path)
    frame = pl.read_parquet(path)
    assert frame.columns == ["request_id", "user_id", "item_id", "position_in_cg", "source_cg"]
    assert len(frame) == written
    assert set(frame["source_cg"]) == {"ease", "personal_top", "popular", "random"}
    assert frame["request_id"].n_unique() == len(candidate_log[False].requests)
    lengths = frame.group_by("request_id", "source_cg").agg(pl.len(), pl.col("position_in_cg").max(), pl.col("item_id"))
    assert (lengths["len"] == lengths["position_in_cg"]).all()
    assert (lengths["len"] == lengths["item_id"].list.n_unique()).all()
    first = frame.filter(pl.col("source_cg") == "ease").head(5)
    user = first["user_id"][0]
    history = stage.release.history.lookup(user)
    wanted = generate(stage.release, Request(user, "ease", 5, exclude_seen=False), history).result.items
    assert first["item_id"].to_list() == stage.release.items.ids_of(wanted)


def test_a_log_that_is_too_short_is_refused():
    few = blending.log().head(300)
    with pytest.raises(DataError, match="use more events"):
        mixigen_stage.train(few, blending.MODELS, blending.SMALL)


def test_models_of_a_release_are_those_that_made_it(tmp_path):
    store = Store(tmp_path)
    drafts = list(fit(build(blending.log()), blending.MODELS[:2]))
    release = store.publish(drafts)
    again = list(fit(build(blending.log()), mixigen_stage.models_of(store, release)))
    assert {draft.name: draft.config for draft in again} == {draft.name: draft.config for draft in drafts}


def test_a_log_whose_users_do_not_come_back_teaches_nothing(stage):
    config = blending.SMALL.model_copy(update={"min_users": 10_000})
    with pytest.raises(DataError, match=r"requests of \d+ users whom the generators knew; wanted 10000"):
        mixigen_stage.make_log(stage, config)
