from dataclasses import replace

import numpy as np
import pytest

from service import registry
from service.cg.base import NOTHING, ListRanking
from service.errors import UnknownCGError
from service.generate import Request, generate, generate_each
from tests.stores import N_ITEMS, item_id, tiny_store, user_id


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    return registry.load(tiny_store(tmp_path_factory.mktemp("store")))


def ask(release, user=0, **values):
    stored = release.history.lookup(user_id(user))
    return generate(release, Request(user_id(user), **values), stored)


def returned(answer):
    return answer.result.items.tolist()


@pytest.mark.parametrize("cg", ["ease", "slim", "popular", "personal_top"])
@pytest.mark.parametrize("exclude_seen", [True, False])
def test_exactly_n_whenever_that_many_are_eligible(release, cg, exclude_seen):
    for user in range(6):
        seen = set(release.history.lookup(user_id(user)).items.tolist()) if exclude_seen else set()
        for n in (1, 3, N_ITEMS, 1000):
            items = returned(ask(release, user, cg=cg, n=n, exclude_seen=exclude_seen))
            assert len(items) == len(set(items)) == min(n, N_ITEMS - len(seen))
            assert not seen & set(items)


def test_the_release_decides_about_seen_items_unless_the_request_does(release):
    assert release.manifest.exclude_seen
    assert not {0, 1, 2} & set(returned(ask(release, n=8)))
    assert {0, 1, 2} <= set(returned(ask(release, n=8, exclude_seen=False)))


def test_exclude_allow_and_category_work_together_and_on_fill(release):
    answer = ask(release, cg="personal_top", n=8, exclude_seen=False, exclude=[item_id(0), 99])
    assert 0 not in returned(answer)
    answer = ask(release, cg="ease", n=8, exclude_seen=False, allow=[item_id(3), item_id(6), 99])
    assert set(returned(answer)) == {3, 6}
    answer = ask(release, cg="ease", n=8, exclude_seen=False, categories=["dairy"])
    assert set(returned(answer)) == {0, 3, 6}
    answer = ask(release, cg="slim", n=8, categories=["dairy"], allow=[item_id(3), item_id(4)])
    assert set(returned(answer)) == {3}
    assert returned(ask(release, n=8, allow=[99])) == []
    assert returned(ask(release, n=8, categories=["nope"])) == []


def test_an_unknown_user_gets_popular_items_and_is_told(release):
    answer = generate(release, Request(12345, "ease", 3), None)
    assert (answer.user_known, answer.fallback) == (False, "popular")
    assert returned(answer) == release.popular.order[:3].tolist()
    own = generate(release, Request(12345, "popular", 3), None)
    assert own.fallback is None
    assert returned(own) == returned(answer)


def test_a_given_history_replaces_the_stored_one_and_repeats_count(release):
    unknown_user = generate(release, Request(1, "ease", 5, history=[item_id(4), item_id(4), 99]), None)
    known_user = ask(release, 1, cg="ease", n=5, history=[item_id(4), item_id(4), 99])
    once = ask(release, 1, cg="ease", n=5, history=[item_id(4)])
    assert returned(unknown_user) == returned(known_user) == returned(once)
    assert 4 not in returned(known_user), "exclude_seen is about the given history"
    np.testing.assert_allclose(known_user.result.own.scores, 2 * once.result.own.scores, rtol=1e-6)
    assert known_user.unknown_items == [99]
    assert (known_user.user_known, unknown_user.user_known) == (True, False)


def test_partly_filled_lists_have_no_fallback(release):
    answer = ask(release, 0, cg="personal_top", n=5, exclude_seen=False)
    assert answer.fallback is None
    assert set(answer.result.own.items.tolist()) == {0, 1, 2}
    assert len(answer.result.fill) == 2


def in_order(answers):
    """The answers by the places of their requests, each given once."""
    pairs = [pair for some in answers for pair in some.items()]
    assert sorted(place for place, _ in pairs) == list(range(len(pairs)))
    return list(dict(sorted(pairs)).values())


def test_answers_come_as_soon_as_they_are_there(release):
    class Graph:
        """Ranks one query after the other."""

        name = "graph"

        def rank(self, query):
            ranked.append(query.user)
            return ListRanking(NOTHING)

    ranked: list[int] = []
    found = replace(release, cgs={**release.cgs, "graph": Graph()})
    asked = [(found, Request(user_id(user), cg), None) for user, cg in enumerate(["graph", "ease", "graph", "ease"])]
    seen = [(sorted(some), len(ranked)) for some in generate_each(asked)]
    assert seen == [([0], 1), ([1, 3], 1), ([2], 2)]


def test_requests_answered_together_are_answered_as_alone(release):
    asked = [
        (release, Request(user_id(user), cg, n, exclude_seen), release.history.lookup(user_id(user)))
        for user, cg, n, exclude_seen in [
            (0, "ease", 4, True),
            (1, "slim", 3, False),
            (2, "nope", 3, None),
            (3, "ease", 4, False),
            (4, "ease", 2, None),
            (5, "popular", 4, None),
        ]
    ]
    found = in_order(generate_each(asked))
    assert isinstance(found[2], UnknownCGError)
    for one, answer in zip(asked, found, strict=True):
        if answer is not found[2]:
            alone = generate(*one)
            assert (answer.cg, returned(answer)) == (alone.cg, returned(alone))
            assert answer.result.own.scores.tolist() == alone.result.own.scores.tolist()
