"""A mix of the generators of a release: defaults, what is refused, fill, and what happens when parts fail."""

import dataclasses
import time

import numpy as np
import pytest

from service import mix as mix_module
from service import registry
from service.cg.mixigen import STRATEGIES, MixiGen, Strategy
from service.cg.several import Histories, Queries
from service.errors import InvalidRequestError, UnknownCGError
from service.generate import Request, generate, make_query
from service.mix import MixRequest, default_cgs, mix, mixes
from service.mix_features import Context, list_lengths, request_features, rows
from service.mix_model import MixModel
from service.watch import Watch
from tests import naive
from tests.mixes import TRAINED, FixedCG, mix_store, random_trees, schema
from tests.stores import N_ITEMS, N_USERS, item_id, tiny_store, user_id

NOW = 1_600_600_000


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    return registry.load(mix_store(tmp_path_factory.mktemp("mix")))


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A release without a MixiGen."""
    return registry.load(tiny_store(tmp_path_factory.mktemp("plain"), exclude_seen=False))


def ask(release, user=0, watch=None, **values):
    values.setdefault("timestamp", NOW)
    key = user_id(user)
    return mix(release, MixRequest(key, **values), release.history.lookup(key), watch)


def with_cgs(release, *cgs, mixigen=None):
    """The release with generators that are lists."""
    return dataclasses.replace(release, cgs={cg.name: cg for cg in cgs}, mixigen=mixigen)


# which generators and which strategy


def test_defaults_with_a_mixigen_are_its_own(release):
    answer = ask(release, n=5)
    assert (answer.strategy, tuple(answer.cgs)) == ("mixigen", TRAINED)
    assert tuple(answer.slots) == TRAINED
    assert sum(answer.slots.values()) == len(answer.blend)


def test_defaults_without_one_are_rrf_over_all_but_popular(plain):
    answer = ask(plain, n=5)
    assert (answer.strategy, list(answer.cgs)) == ("rrf", ["ease", "personal_top", "slim"])
    alone = dataclasses.replace(plain, cgs={"popular": plain.cgs["popular"]})
    assert default_cgs(alone) == ["popular"]


@pytest.mark.parametrize(
    ("values", "name", "message"),
    [
        ({"cgs": ["ease", "popular"]}, "cgs", "not trained on popular; valid: slim, ease, personal_top"),
        ({"strategy": "best"}, "strategy", "valid: mixigen, round_robin, quota, rrf"),
        ({"shares": {"ease": 1}}, "shares", "only strategy=quota"),
        ({"strategy": "quota", "shares": {"popular": 1}}, "shares", "popular not among cgs; those are: slim"),
        ({"strategy": "quota", "shares": {"ease": 0}}, "shares", "above 0"),
    ],
)
def test_what_does_not_go_together_is_refused(release, values, name, message):
    with pytest.raises(InvalidRequestError, match=message) as caught:
        ask(release, **values)
    assert caught.value.name == name


def test_mixigen_is_refused_by_a_release_without_one(plain):
    with pytest.raises(InvalidRequestError, match="no MixiGen; valid: round_robin, quota, rrf"):
        ask(plain, strategy="mixigen")


@pytest.mark.parametrize("name", ["nope", "mixigen"])
def test_a_generator_that_the_release_does_not_have_is_unknown(release, name):
    with pytest.raises(UnknownCGError):
        ask(release, cgs=["ease", name])


def test_other_strategies_may_use_what_mixigen_was_not_trained_on(release):
    answer = ask(release, cgs=["popular", "ease", "popular"], strategy="round_robin", n=4)
    assert list(answer.cgs) == ["popular", "ease"]
    assert answer.blend.cg[0] == 0


# the mix itself


@pytest.mark.parametrize("user", range(N_USERS))
@pytest.mark.parametrize("exclude_seen", [False, True])
def test_mix_is_the_k_way_merge_of_the_lists_by_the_models_scores(release, user, exclude_seen):
    answer = ask(release, user, n=6, exclude_seen=exclude_seen, city_name="Bonn", store_id="7")
    lists, cgs = _lists(release, user, TRAINED, exclude_seen)
    context = Context(NOW, "Bonn", "7")
    model = release.mixigen.model
    query = _query(release, user, exclude_seen)
    vector = request_features(query.history, context, model.schema)
    scores = model.predict(rows(vector, model.schema, list_lengths(cgs, query))).reshape(len(TRAINED), -1)
    wanted = naive.merge_k_way(np.round(scores, 9), lists, 6)
    found = zip(answer.blend.items.tolist(), answer.blend.cg.tolist(), answer.blend.cg_rank.tolist(), strict=True)
    assert [(item, cg, rank - 1) for item, cg, rank in found] == wanted


@pytest.mark.parametrize("user", range(N_USERS))
def test_where_no_score_rises_mix_is_score_everything_and_sort(tmp_path_factory, user):
    of = schema(max_position=6)
    trees = random_trees(of, np.random.default_rng(user), monotone=True)
    release = registry.load(mix_store(tmp_path_factory.mktemp("monotone"), trees=trees, of=of))
    model, query = release.mixigen.model, _query(release, user, False)
    lists, cgs = _lists(release, user, TRAINED, False)
    vector = request_features(query.history, Context(NOW), of)
    scores = np.round(model.predict(rows(vector, of, list_lengths(cgs, query))).reshape(len(TRAINED), -1), 9)
    assert (np.diff(scores) <= 0).all()
    assert (np.diff(_curves(release, cgs, query)) <= 0).all()  # not even by 1e-17
    found = ask(release, user, n=6).blend
    wanted = naive.merge_monotone(scores, lists, 6)
    assert [(cg, rank - 1) for cg, rank in zip(found.cg, found.cg_rank, strict=True)] == [
        (cg, position) for _, cg, position in wanted
    ]


def test_a_subset_is_scored_as_itself(release):
    answer = ask(release, 1, n=6, cgs=["personal_top", "slim"])
    lists, cgs = _lists(release, 1, ["personal_top", "slim"], False)
    query = _query(release, 1, False)
    curves = _curves(release, cgs, query)
    assert answer.blend.items.tolist() == [item for item, *_ in naive.merge_k_way(curves, lists, 6)]


def test_exactly_n_filled_when_all_lists_have_ended(release):
    answer = ask(release, 0, n=N_ITEMS)
    own = {item for items in _lists(release, 0, TRAINED, False)[0] for item in items}
    assert set(answer.blend.items.tolist()) == own
    assert sorted(answer.result.items.tolist()) == sorted(own | set(release.popular.order.tolist()))


def test_unknown_user_without_history_gets_popular_fill(release):
    answer = mix(release, MixRequest(12345, n=3), None)
    assert (answer.fallback, answer.user_known, len(answer.result.items)) == ("popular", False, 3)
    assert answer.slots == dict.fromkeys(TRAINED, 0)
    assert answer.degraded == []


@pytest.fixture(scope="module")
def with_popular(tmp_path_factory):
    """A release whose MixiGen also blends what is popular, as published ones do."""
    of = schema((*TRAINED, "popular"), max_position=6)
    trees = random_trees(of, np.random.default_rng(0))
    return registry.load(mix_store(tmp_path_factory.mktemp("popular"), trees=trees, of=of))


@pytest.mark.parametrize("explain", [False, True])
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("watched", [False, True])
def test_unknown_user_where_popular_is_blended(with_popular, strategy, explain, watched):
    request = MixRequest(12345, cgs=(*TRAINED, "popular"), n=3, strategy=strategy, explain=explain)
    answer = mix(with_popular, request, None, Watch(1000) if watched else None)
    assert (answer.fallback, answer.user_known, answer.degraded) == ("popular", False, [])
    assert answer.result.items.tolist() == with_popular.popular.order[:3].tolist()
    assert answer.slots == dict.fromkeys((*TRAINED, "popular"), 0)
    assert len(ask(with_popular, cgs=request.cgs, n=3, strategy=strategy).blend) == 3


def test_a_given_history_has_just_happened(release):
    """Not in 1970: the days since its last event would be beyond all that was trained on."""
    seen = []
    spied = MixiGen(release.mixigen.model)
    spied.curves = lambda cgs, queries, histories, contexts: (
        seen.append(histories),
        release.mixigen.curves(cgs, queries, histories, contexts),
    )[1]
    given = [item_id(3), item_id(1), item_id(3)]
    mix(dataclasses.replace(release, mixigen=spied), MixRequest(1, history=given, timestamp=NOW), None)
    assert seen[0].items.tolist() == [1, 3]
    assert seen[0].last.tolist() == [NOW - 1, NOW]


def test_filters_hold(release):
    allowed = [item_id(item) for item in (1, 2, 5)]
    answer = ask(release, 0, n=5, allow=allowed, exclude=[item_id(2)])
    assert sorted(answer.result.items.tolist()) == [1, 5]


def test_explain_names_all_sources(release):
    answer = ask(release, 0, n=5, explain=True)
    lists, _ = _lists(release, 0, TRAINED, False)
    for place, (item, of_item) in enumerate(zip(answer.blend.items.tolist(), answer.sources, strict=True)):
        assert all(lists[source.cg][source.rank - 1] == item for source in of_item)
        assert (answer.blend.cg[place], answer.blend.cg_rank[place]) in [(source.cg, source.rank) for source in of_item]
    assert ask(release, 0, n=5).sources == []


# parts that fail


def test_a_model_that_fails_is_replaced_by_rrf(release, monkeypatch, caplog):
    monkeypatch.setattr(MixModel, "curves_of_each", lambda *_: 1 / 0)
    answer = ask(release, n=5)
    assert (answer.strategy, answer.degraded) == ("rrf", ["mixigen"])
    assert answer.blend.items.tolist() == ask(release, n=5, cgs=TRAINED, strategy="rrf").blend.items.tolist()
    assert "MixiGen failed" in caplog.text


def test_a_model_whose_scores_are_not_finite_is_replaced_by_rrf(release, monkeypatch):
    monkeypatch.setattr(MixModel, "curves_of_each", lambda self, *_: np.full((1, 3, 6), np.nan))
    assert ask(release, n=5).degraded == ["mixigen"]


def test_a_failing_generator_is_named(release):
    broken = with_cgs(release, FixedCG("a", [1, 2]), FixedCG("b", [], error=RuntimeError("no")))
    answer = ask(broken, n=4)
    assert answer.degraded == ["cg:b"]
    assert answer.slots == {"a": 2, "b": 0}
    assert len(answer.result.items) == 4


def test_all_generators_failing_is_popular(release):
    broken = with_cgs(release, FixedCG("b", [], error=RuntimeError("no")))
    answer = ask(broken, n=4)
    assert (answer.degraded, answer.fallback, len(answer.result.items)) == (["cg:b"], "popular", 4)


def test_a_slow_generator_is_given_up_within_the_budget(release):
    slow, after = FixedCG("slow", [1, 2], pause=0.8), FixedCG("after", [3])
    watch = Watch(100)
    found = with_cgs(release, FixedCG("first", [0]), slow, after)
    started = time.monotonic()
    answer = ask(found, n=3, cgs=["first", "slow", "after"], strategy="round_robin", watch=watch)
    assert time.monotonic() - started < 0.4
    assert answer.degraded == ["cg:slow"]
    assert answer.blend.items.tolist() == [0, 3]
    # it is still at it: the next request does not wait for it at all
    started = time.monotonic()
    assert ask(found, n=3, cgs=["first", "slow"], strategy="rrf", watch=watch).degraded == ["cg:slow"]
    assert (slow.ranked, time.monotonic() - started < 0.04) == (1, True)
    # and once it has come back it is asked again
    time.sleep(1)
    slow.pause = 0
    assert ask(found, n=3, cgs=["first", "slow"], strategy="rrf", watch=watch).degraded == []


def test_several_slow_generators_stay_within_the_budget(release):
    cgs = [FixedCG(f"slow{row}", [row], pause=1) for row in range(3)]
    found = with_cgs(release, *cgs, FixedCG("zquick", [7]))
    started = time.monotonic()
    answer = ask(found, n=2, watch=Watch(100))
    assert time.monotonic() - started < 0.4
    assert answer.degraded == ["cg:slow0", "cg:slow1", "cg:slow2"]
    assert answer.blend.items.tolist() == [7]


def test_with_a_watch_the_answer_is_the_same(release):
    watch = Watch(10_000)
    for user in range(N_USERS):
        one, other = ask(release, user, n=6), ask(release, user, n=6, watch=watch)
        assert one.blend.items.tolist() == other.blend.items.tolist()


@pytest.mark.parametrize("watched", [False, True])
def test_mixes_made_together_are_those_made_alone(release, watched):
    watch = Watch(10_000) if watched else None
    requests = [
        MixRequest(user_id(user), n=n, strategy=strategy, cgs=cgs, timestamp=NOW, explain=True)
        for user, n, strategy, cgs in [
            (0, 5, None, ()),
            (1, 6, "rrf", ("popular", "slim")),
            (2, 3, "best", ()),
            (3, 4, "quota", ("ease", "personal_top")),
            (0, 5, None, ("nope",)),
            (4, 6, "mixigen", ("personal_top", "slim")),
            (5, 2, "round_robin", ()),
        ]
    ]
    asked = [(release, request, release.history.lookup(request.user_id)) for request in requests]
    found = mixes(asked, watch)
    assert [type(answer) for answer in found if isinstance(answer, Exception)] == [InvalidRequestError, UnknownCGError]
    for one, answer in zip(asked, found, strict=True):
        if not isinstance(answer, Exception):
            alone = mix(*one)
            assert answer.result.items.tolist() == alone.result.items.tolist()
            assert (answer.strategy, answer.slots, answer.sources) == (alone.strategy, alone.slots, alone.sources)


def test_a_slow_generator_is_given_up_for_all_mixes_made_together(release):
    slow, watch = FixedCG("slow", [1, 2], pause=0.8), Watch(100)
    found = with_cgs(release, FixedCG("first", [0]), slow, FixedCG("after", [3]))
    request = MixRequest(user_id(0), n=2, cgs=("first", "slow", "after"), strategy="rrf")
    started = time.monotonic()
    answers = mixes([(found, request, None)] * 3, watch)
    assert time.monotonic() - started < 0.4
    assert [answer.degraded for answer in answers] == [["cg:slow"]] * 3
    assert [answer.blend.items.tolist() for answer in answers] == [[0, 3]] * 3
    assert slow.ranked == 1


def test_one_mix_that_fails_is_no_matter_of_the_others(release, monkeypatch):
    def fails_for_three(lists, recipe):
        if recipe.n == 3:
            raise ZeroDivisionError
        return STRATEGIES["round_robin"].merge(lists, recipe)

    monkeypatch.setitem(mix_module.STRATEGIES, "rrf", Strategy(lambda *_: [], fails_for_three))
    asked = [(release, MixRequest(user_id(0), n=n, strategy="rrf"), None) for n in (2, 3, 4)]
    first, second, third = mixes(asked, Watch(1000))
    assert isinstance(second, ZeroDivisionError)
    assert (len(first.result), len(third.result)) == (2, 4)


def test_an_error_of_ours_comes_through_the_watch(release, monkeypatch):
    monkeypatch.setitem(mix_module.STRATEGIES, "rrf", Strategy(lambda *_: [], lambda *_: 1 / 0))
    with pytest.raises(ZeroDivisionError):
        ask(release, strategy="rrf", watch=Watch(1000))


def _curves(release, cgs, query):
    return release.mixigen.curves(cgs, Queries([query]), Histories.of([query.history]), [Context(NOW)])[0]


def _query(release, user, exclude_seen):
    history = release.history.lookup(user_id(user))
    return make_query(release, Request(user_id(user), exclude_seen=exclude_seen), history)[0]


def _lists(release, user, names, exclude_seen):
    """The whole list of each generator, as /candidates gives it, and the generators."""
    history = release.history.lookup(user_id(user))
    answers = [generate(release, Request(user_id(user), name, 1000, exclude_seen), history) for name in names]
    return [answer.result.own.items.tolist() for answer in answers], [release.cg(name) for name in names]
