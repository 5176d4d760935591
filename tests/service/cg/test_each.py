"""One generator for several queries: together where it can, one by one where it cannot or fails."""

import numpy as np

from service.cg.base import Candidates, Filters, ListRanking, Query
from service.cg.each import best_of_each
from service.cg.several import Several


def one(item):
    return Candidates(np.array([item], np.int32), np.ones(1, np.float32))


class Single:
    """Gives every user an item of the same number, and fails for user 13."""

    name = "single"

    def __init__(self):
        self.log = []

    def rank(self, query):
        self.log.append(query.user)
        if query.user == 13:
            raise ValueError("unlucky")
        return ListRanking(one(query.user))

    def warm_up(self): ...


class Together(Single):
    def best_of_each(self, queries, k):
        self.log.append([query.user for query in queries])
        if any(query.user == 13 for query in queries):
            raise ValueError("unlucky")
        found = Several.none(len(queries), k)
        for row, query in enumerate(queries):
            found.put(row, one(query.user))
        return found


def asked(cg, *users):
    found = best_of_each(cg, [Query(user) for user in users], 1)
    return [own if isinstance(own, Exception) else own.items.tolist() for own in found]


def test_together_where_the_generator_can():
    cg = Together()
    assert asked(cg, 1, 2) == [[1], [2]]
    assert cg.log == [[1, 2]]


def test_one_query_is_asked_in_the_usual_way():
    cg = Together()
    assert asked(cg, 1) == [[1]]
    assert cg.log == [1]


def test_one_by_one_where_it_cannot():
    cg = Single()
    first, second, third = asked(cg, 1, 13, 2)
    assert (first, third) == ([1], [2])
    assert str(second) == "unlucky"


def test_a_failure_is_that_of_one_query(caplog):
    cg = Together()
    first, second = asked(cg, 1, 13)
    assert first == [1]
    assert isinstance(second, ValueError)
    assert cg.log == [[1, 13], 1, 13]
    assert "single failed for 2 requests together" in caplog.text


def test_where_not_all_items_are_allowed_one_is_asked_for_itself():
    cg = Together()
    queries = [Query(1), Query(2, filters=Filters(allowed=np.ones(9, np.bool_))), Query(3)]
    assert [own.items.tolist() for own in best_of_each(cg, queries, 1)] == [[1], [2], [3]]
    assert cg.log == [[1, 3], 2]
