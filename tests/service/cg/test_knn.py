import numpy as np
import pytest

from service.cg.base import Filters, ItemMap, Query
from service.cg.embedding import Embedding
from service.cg.knn import DotProductKNN
from service.history import EMPTY, History
from service.ids import IdIndex
from tests import naive
from tests.service.cg import models

VECTORS = np.array([[1, 0], [0, 1], [2, 2], [0, 0], [-1, 0]], np.float32)
BIASES = np.array([0, 0.5, 0, 0, 0], np.float32)
USERS = np.array([[1, 0], [0, 0]], np.float32)


def knn(fold_in=lambda items, weights: weights @ VECTORS[items], weighting="count", users=USERS):
    ids = IdIndex(np.array([10, 20], np.int64))
    return DotProductKNN("knn", Embedding(ItemMap(None, 5), ids, VECTORS, BIASES, users, fold_in, weighting))


def history(items, counts):
    return History(np.array(items, np.int32), np.array(counts, np.int32), np.zeros(len(items), np.int64))


def ranked(cg, query):
    found = cg.rank(query).top(10)
    return list(zip(found.items.tolist(), found.scores.tolist(), strict=True))


def test_score_is_user_times_item_plus_bias():
    assert ranked(knn(), Query(user=10)) == [(2, 2.0), (0, 1.0), (1, 0.5), (4, -1.0)]


def test_the_stored_vector_wins_over_the_stored_history_but_not_over_one_given():
    seen = history([1], [2])
    assert ranked(knn(), Query(10, seen)) == ranked(knn(), Query(10))
    assert ranked(knn(), Query(10, seen, history_given=True)) == [(2, 4.0), (1, 2.5)]


@pytest.mark.parametrize("user", [99, "text", None, 20])
def test_without_a_stored_vector_the_history_is_folded_in(user):
    assert ranked(knn(), Query(user, history([1], [2]))) == [(2, 4.0), (1, 2.5)]
    assert ranked(knn(), Query(user)) == []


def test_the_fold_in_gets_the_items_and_weights_that_training_would_have_seen():
    calls = []

    def fold_in(items, weights):
        calls.append((items.tolist(), weights.tolist()))
        return np.ones(2, np.float32)

    for weighting in ("binary", "count", "log"):
        knn(fold_in, weighting).rank(Query(None, history([0, 4], [3, 1])))
    assert calls == [([0, 4], [1, 1]), ([0, 4], [3, 1]), ([0, 4], [2, 1])]


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
def test_a_fold_in_that_fails_says_nothing(bad):
    def singular(items, weights):
        raise np.linalg.LinAlgError

    query = Query(None, history([0], [1]))
    assert ranked(knn(lambda items, weights: np.full(2, bad, np.float32)), query) == []
    assert ranked(knn(singular), query) == []


def test_knows_users_with_a_vector_that_says_something():
    assert [knn().knows(user) for user in (10, 20, 30, "10")] == [True, False, False, False]


def test_similar_is_the_cosine_not_the_dot_product():
    found = knn().similar(0, Filters()).top(10)
    assert found.items.tolist() == [2, 4]
    np.testing.assert_allclose(found.scores, [np.sqrt(0.5), -1])


def test_given_history_without_any_item_of_the_model_does_not_fall_back_to_the_stored_vector():
    assert ranked(knn(), Query(10, EMPTY, history_given=True)) == []


@pytest.mark.parametrize("partial", [False, True])
def test_all_scores_against_the_naive_ones(partial):
    items = models.item_map(partial)
    model = models.embedding(items)
    for user in range(models.N_USERS):
        scores = naive.embedding_scores(model.item_vectors, model.item_biases, model.user_vectors[user])
        best = naive.top_k(scores, 1000)
        found = DotProductKNN("knn", model).rank(Query(user)).top(1000)
        assert found.items.tolist() == items.release_items(np.array(best, np.int32)).tolist()
        assert found.scores.tolist() == [scores[item] for item in best]
