"""What every candidate generator promises, whatever it computes."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from service.cg.base import Cursor, Filters, KnowsUsers, Query, SimilarItems
from service.cg.each import best_of_each
from tests import naive
from tests.service.cg import models

make = cache(models.make)
UNKNOWN_USER = 10**6


@pytest.fixture(params=[False, True], ids=["all-items", "some-items"])
def partial(request):
    return request.param


@pytest.fixture(params=models.GENERATORS)
def cg(request, partial):
    return make(request.param, partial)


QUERIES = [models.random_query(seed) for seed in range(30)]


def pairs(candidates):
    return list(zip(candidates.items.tolist(), candidates.scores.tolist(), strict=True))


def everything(cg, query):
    return cg.rank(query).top(10 * models.N_RELEASE)


def test_items_are_distinct_eligible_known_to_the_model_and_best_first(cg, partial):
    for query in QUERIES:
        found = everything(cg, query)
        assert found.items.dtype == np.int32
        assert found.scores.dtype == np.float32
        assert len(found.items) == len(found.scores) == len(set(found.items.tolist()))
        excluded, allowed = query.filters.excluded.tolist(), query.filters.allowed.tolist()
        assert all(naive.is_eligible(item, excluded, allowed) for item in found.items.tolist())
        assert (models.item_map(partial).model_rows()[found.items] >= 0).all()
        assert np.isfinite(found.scores).all()
        assert (np.diff(found.scores) <= 0).all()


def test_equal_scores_come_by_index(cg):
    if cg.name == "personal_top":
        pytest.skip("the more recent item comes first there")
    for query in QUERIES:
        found = pairs(everything(cg, query))
        assert found == sorted(found, key=lambda pair: (-pair[1], pair[0]))


def test_filters_take_items_out_and_change_nothing_else(cg):
    for query in QUERIES:
        unfiltered = pairs(everything(cg, replace(query, filters=Filters())))
        excluded, allowed = query.filters.excluded.tolist(), query.filters.allowed.tolist()
        wanted = [pair for pair in unfiltered if naive.is_eligible(pair[0], excluded, allowed)]
        assert pairs(everything(cg, query)) == wanted


def test_a_query_is_answered_the_same_way_twice(cg):
    for query in QUERIES:
        assert pairs(everything(cg, query)) == pairs(everything(cg, query))


def test_fewer_are_the_beginning_of_more(cg):
    for query in QUERIES:
        whole = pairs(everything(cg, query))
        for k in (0, 1, 2, 7, 33, 39, 40, 41):
            assert pairs(cg.rank(query).top(k)) == whole[:k]
            ranking = cg.rank(query)
            ranking.top(k + 5)
            assert pairs(ranking.top(k)) == whole[:k]


@pytest.mark.parametrize("together", [1, 2, 5, 30])
def test_asked_together_queries_are_answered_as_one_by_one(cg, together):
    for k in (0, 1, 7, 40):
        for first in range(0, len(QUERIES), together):
            some = QUERIES[first : first + together]
            found = best_of_each(cg, some, k)
            assert [pairs(own) for own in found] == [pairs(cg.rank(query).top(k)) for query in some]


@pytest.mark.parametrize("sizes", [(1, 2, 3), (10,), (33, 1), (0, 100)])
def test_pieces_of_a_cursor_make_the_list(cg, sizes):
    for query in QUERIES:
        cursor, pieces = Cursor(cg.rank(query)), []
        for turn in range(60):
            pieces += pairs(cursor.next(sizes[turn % len(sizes)]))
        assert pieces == pairs(everything(cg, query))
        assert len(cursor.next(5)) == 0


def test_everything_excluded_leaves_nothing(cg):
    for query in QUERIES:
        all_items = np.arange(models.N_RELEASE, dtype=np.int32)
        assert len(everything(cg, replace(query, filters=Filters(excluded=all_items)))) == 0
        nothing = np.zeros(models.N_RELEASE, np.bool_)
        assert len(everything(cg, replace(query, filters=Filters(allowed=nothing)))) == 0


def test_one_allowed_item_is_the_only_one(cg):
    for query in QUERIES:
        first = everything(cg, replace(query, filters=Filters()))
        for place in {0, len(first) // 2, len(first) - 1} if len(first) else ():
            only = np.zeros(models.N_RELEASE, np.bool_)
            only[first.items[place]] = True
            found = everything(cg, replace(query, filters=Filters(allowed=only)))
            assert pairs(found) == pairs(first)[place : place + 1]


def test_item_0_is_not_padding(cg):
    for query in QUERIES:
        found = everything(cg, replace(query, filters=Filters(excluded=np.zeros(1, np.int32))))
        assert 0 not in found.items


@pytest.mark.parametrize("name", models.PERSONAL)
def test_nothing_known_of_a_user_gives_nothing(name, partial):
    cg = make(name, partial)
    assert len(everything(cg, Query(user=UNKNOWN_USER))) == 0
    assert len(everything(cg, Query())) == 0
    assert not isinstance(cg, KnowsUsers) or not cg.knows(UNKNOWN_USER)


@pytest.mark.parametrize("name", models.PERSONAL)
def test_a_history_of_items_that_the_model_does_not_have_gives_nothing(name):
    query = models.random_query(0)
    missing = np.flatnonzero(models.item_map(partial=True).model_rows() < 0).astype(np.int32)
    ones = np.ones(len(missing), np.int32)
    history = replace(query.history, items=missing, counts=ones, last=ones.astype(np.int64))
    assert len(everything(make(name, True), Query(UNKNOWN_USER, history))) == 0


@pytest.mark.parametrize("name", models.SIMILAR)
def test_similar_items_leave_the_item_itself_out_and_heed_filters(name, partial):
    cg = make(name, partial)
    assert isinstance(cg, SimilarItems)
    for item in range(models.N_RELEASE):
        found = cg.similar(item, Filters()).top(100)
        assert item not in found.items
        assert (np.diff(found.scores) <= 0).all()
        if models.item_map(partial).model_rows()[item] < 0:
            assert len(found) == 0
        filters = models.random_query(item).filters
        excluded, allowed = filters.excluded.tolist(), filters.allowed.tolist()
        wanted = [pair for pair in pairs(found) if naive.is_eligible(pair[0], excluded, allowed)]
        assert pairs(cg.similar(item, filters).top(100)) == wanted


def test_warming_up_changes_nothing(cg):
    for query in QUERIES:
        before = pairs(everything(cg, query))
        cg.warm_up()
        assert pairs(everything(cg, query)) == before
