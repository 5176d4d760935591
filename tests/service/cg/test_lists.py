"""Lists of several requests: fetched generator by generator, and what happens where one fails or hangs."""

import threading

import numpy as np
import pytest

from service.cg.asking import GivenUpError
from service.cg.base import Candidates, Filters, ListRanking, Query
from service.cg.lists import Lists
from service.cg.several import Queries, Several
from tests.mixes import FixedCG


class Noted:
    """Has a hundred items for everybody, from the number of the user on, and notes who asks."""

    def __init__(self, name, log, fails_for=(), waits=None):
        self.name, self.log, self.fails_for, self.waits = name, log, fails_for, waits

    def rank(self, query):
        self.log.append((self.name, query.user))
        if self.waits is not None:
            self.waits.wait(10)
        if query.user in self.fails_for:
            raise RuntimeError("no")
        items = np.arange(query.user, query.user + 100, dtype=np.int32)
        return ListRanking(Candidates(items, np.ones(100, np.float32)))

    def warm_up(self): ...


class NotedTogether(Noted):
    """Can be asked for several at once."""

    def best_of_each(self, queries, k):
        self.log.append((self.name, [query.user for query in queries], k))
        found = Several.none(len(queries), k)
        for row, query in enumerate(queries):
            found.put(row, self.rank(query).top(k))
        return found


def of(cgs, *users, n=20):
    return Lists(cgs, Queries(map(Query, users)), n)


def test_every_generator_is_asked_for_all_requests_in_turn():
    log = []
    lists = of([Noted("a", log), Noted("b", log)], 1, 2)
    lists.fetch([[20, 20], [20, 20]])
    assert log == [("a", 1), ("a", 2), ("b", 1), ("b", 2)]
    assert lists.lengths.tolist() == [[20, 20], [20, 20]]


def test_one_that_can_is_asked_for_all_at_once():
    log = []
    lists = of([NotedTogether("a", log)], 1, 2, 3)
    lists.fetch([[20], [11], [0]])
    assert log == [("a", [1, 2], 20), ("a", 1), ("a", 2)]
    assert lists.lengths.tolist() == [[20], [20], [0]]
    assert lists.items[:2, 0, 0].tolist() == [1, 2]
    assert [lists.scores(request)[0].sum() for request in range(3)] == [20, 20, 0]
    log.clear()
    of([NotedTogether("a", log)], 1).fetch([[20]])
    assert log == [("a", 1)]


def test_where_not_all_items_are_allowed_a_generator_is_asked_for_that_request_alone():
    log = []
    lists = of([NotedTogether("a", log)], 1, 2, 3)
    lists.queries[1] = Query(2, filters=Filters(allowed=np.ones(200, np.bool_)))
    lists.fetch([[20], [20], [20]])
    assert log == [("a", [1, 3], 20), ("a", 1), ("a", 3), ("a", 2)]
    assert lists.items[:, 0, 0].tolist() == [1, 2, 3]


def test_a_list_that_was_fetched_with_others_goes_on_where_it_ended():
    lists = of([NotedTogether("a", [])], 1, 2, n=60)
    lists.fetch([[20], [20]])
    lists.pull(1, 0)
    lists.pull(1, 0)
    assert (lists.lengths.tolist(), lists.ended.tolist()) == ([[20], [40]], [[False], [False]])
    assert lists.items[1, 0, :40].tolist() == list(range(2, 42))
    assert lists.scores(1)[0, :41].tolist() == [1.0] * 40 + [0.0]


def test_what_is_not_wanted_yet_is_not_asked_for_and_what_is_there_not_again():
    log = []
    lists = of([Noted("a", log), Noted("b", log)], 1, 2)
    lists.fetch([[20, 0], [0, 10]])
    assert lists.lengths.tolist() == [[20, 0], [0, 10]]
    lists.fetch([[20, 0], [0, 10]])
    assert log == [("a", 1), ("b", 2)]


def test_a_list_of_all_that_can_be_wanted_has_ended():
    lists = of([FixedCG("a", range(100))], 1, n=15)
    lists.fetch([[20]])
    assert (lists.lengths.tolist(), lists.ended.tolist()) == ([[20]], [[True]])


@pytest.mark.parametrize("kind", [Noted, NotedTogether])
def test_a_generator_that_fails_for_one_request_is_dropped_there(caplog, kind):
    log = []
    lists = of([kind("a", log, fails_for=(1,)), Noted("b", log)], 1, 2)
    lists.fetch([[20, 20], [20, 20]])
    assert lists.dropped == [["a"], []]
    assert lists.lengths.tolist() == [[0, 20], [20, 20]]
    assert "generator a failed" in caplog.text


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("again", [False, True])
def test_a_generator_that_is_given_up_is_dropped_where_nothing_of_it_is_there(again, together):
    """again: it hangs when a list is continued, so only that list does without it."""
    log, come_back = [], threading.Event()
    hanging = (NotedTogether if together else Noted)("hangs", log, waits=come_back)
    cgs = [Noted("first", log), hanging, Noted("last", log)]
    lists, raised, begun = of(cgs, 1, 2, 3, n=50), [], [[20, 0, 0], [20, 0, 0], [20, 0, 0]]
    lists.items[1, 1, 0], lists.lengths[1, 1] = 7, 1

    def work():
        if again:
            lists.fetch(begun)
            lists.pull(1, 1)
        else:
            lists.fetch([[20, 20, 20]] * 3)

    def expect():
        with pytest.raises(GivenUpError):
            work()
        raised.append(True)

    thread = threading.Thread(target=expect)
    thread.start()
    while lists.asking.now is None or lists.asking.now.cg is not hanging:
        pass
    rest = lists.give_up(lists.asking.now)
    assert rest.dropped == ([["hangs"]] * 3 if again else [["hangs"], [], ["hangs"]])
    rest.fetch([[20, 20, 20]] * 3)
    assert rest.lengths.tolist() == [[20, 0, 20], [20, 1, 20], [20, 0, 20]]
    come_back.set()
    thread.join(10)
    assert raised == [True]
    assert lists.give_up(lists.asking.now) is not None  # it never got to say that it is back
    assert lists.lengths.tolist() == [[20, 0, 0], [20, 1, 0], [20, 0, 0]]


def test_one_that_has_come_back_is_not_given_up():
    lists = of([FixedCG("a", range(100))], 1)
    lists.fetch([[20]])
    lists.asking.begin(FixedCG("b", []))
    asked = lists.asking.now
    lists.asking.end()
    assert lists.give_up(asked) is None
