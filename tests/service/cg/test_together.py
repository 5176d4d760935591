"""Lists of several requests: fetched generator by generator, and what happens where one fails or hangs."""

import threading

import numpy as np
import pytest

from service.cg.asking import GivenUpError
from service.cg.base import Candidates, ListRanking, Query
from service.cg.lists import Lists
from service.cg.together import Together
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
        return [self.rank(query).top(k) for query in queries]


def of(cgs, *users, n=20):
    return Together([Lists(cgs, Query(user), n) for user in users])


def test_every_generator_is_asked_for_all_requests_in_turn():
    log = []
    together = of([Noted("a", log), Noted("b", log)], 1, 2)
    together.fetch([[20, 20], [20, 20]])
    assert log == [("a", 1), ("a", 2), ("b", 1), ("b", 2)]
    assert [lists.lengths.tolist() for lists in together.lists] == [[20, 20], [20, 20]]


def test_one_that_can_is_asked_for_all_at_once_where_that_is_all_they_will_want():
    log = []
    together = of([NotedTogether("a", log)], 1, 2, 3)
    together.fetch([[20], [20], [10]])
    assert log == [("a", [1, 2], 20), ("a", 1), ("a", 2), ("a", 3)]
    assert [lists.lengths.tolist() for lists in together.lists] == [[20], [20], [10]]
    assert [lists.items[0, 0] for lists in together.lists] == [1, 2, 3]
    log.clear()
    of([NotedTogether("a", log)], 1).fetch([[20]])
    assert log == [("a", 1)]


def test_what_is_not_wanted_yet_is_not_asked_for_and_what_is_there_not_again():
    log = []
    together = of([Noted("a", log), Noted("b", log)], 1, 2)
    together.fetch([[20, 0], [0, 10]])
    assert [lists.lengths.tolist() for lists in together.lists] == [[20, 0], [0, 10]]
    together.fetch([[20, 0], [0, 10]])
    assert log == [("a", 1), ("b", 2)]


def test_a_list_of_all_that_can_be_wanted_has_ended():
    together = of([FixedCG("a", range(100))], 1, n=15)
    together.fetch([[20]])
    assert (together.lists[0].lengths.tolist(), together.lists[0].ended.tolist()) == ([20], [True])


def test_a_generator_that_fails_for_one_request_is_dropped_there(caplog):
    log = []
    together = of([Noted("a", log, fails_for=(1,)), Noted("b", log)], 1, 2)
    together.fetch([[20, 20], [20, 20]])
    assert [lists.dropped for lists in together.lists] == [["a"], []]
    assert [lists.lengths.tolist() for lists in together.lists] == [[0, 20], [20, 20]]
    assert "generator a failed" in caplog.text


@pytest.mark.parametrize("again", [False, True])
def test_a_generator_that_is_given_up_is_dropped_where_nothing_of_it_is_there(again):
    """again: it hangs when a list is continued, so only that list does without it."""
    log, come_back = [], threading.Event()
    hanging = Noted("hangs", log, waits=come_back)
    cgs = [Noted("first", log), hanging, Noted("last", log)]
    together, raised = of(cgs, 1, 2), []
    together.lists[1].put(1, Candidates(np.array([7], np.int32), np.ones(1, np.float32)), 1)

    def work():
        if again:
            together.fetch([[20, 0, 0], [20, 0, 0]])
            together.lists[1].pull(1)
        else:
            together.fetch([[20, 20, 20], [20, 20, 20]])

    def expect():
        with pytest.raises(GivenUpError):
            work()
        raised.append(True)

    thread = threading.Thread(target=expect)
    thread.start()
    while together.asking.now is None or together.asking.now.cg is not hanging:
        pass
    rest = together.give_up(together.asking.now)
    assert [lists.dropped for lists in rest.lists] == ([["hangs"], ["hangs"]] if again else [["hangs"], []])
    rest.fetch([[20, 20, 20], [20, 20, 20]])
    assert [lists.lengths.tolist() for lists in rest.lists] == [[20, 0, 20], [20, 1, 20]]
    come_back.set()
    thread.join(10)
    assert raised == [True]
    assert together.give_up(together.asking.now) is not None  # it never got to say that it is back
    assert [lists.lengths.tolist() for lists in together.lists] == [[20, 0, 0], [20, 1, 0]]


def test_one_that_has_come_back_is_not_given_up():
    together = of([FixedCG("a", range(100))], 1)
    together.fetch([[20]])
    together.asking.begin(FixedCG("b", []))
    asked = together.asking.now
    together.asking.end()
    assert together.give_up(asked) is None
