import math

import numpy as np
import pytest

from service import embedding_kernels as kernels
from tests import naive

ALL = np.empty(0, np.bool_)
NONE = np.empty(0, np.int32)
START = (math.inf, -1)


def model(n, dim, seed=0):
    rng = np.random.default_rng(seed)
    return tuple(rng.normal(size=shape).astype(np.float32) for shape in ((n, dim), (n,), (dim,)))


def test_vectors_of_some_rows_and_which_say_nothing():
    users = np.array([[1, 2], [0, 0], [0, 3]], np.float32)
    for rows in ([2, -1, 1, 0], [-1], [0, 2], []):
        wanted = [users[row].tolist() if row >= 0 else [0, 0] for row in rows]
        vectors, without = kernels.vectors_of(users, np.array(rows, np.int32))
        assert vectors.tolist() == wanted
        assert without.tolist() == [place for place, vector in enumerate(wanted) if vector == [0, 0]]


@pytest.mark.parametrize(("n", "dim"), [(1, 1), (7, 3), (30, 16), (20, 65)])
def test_score_items_is_the_dot_product_plus_the_bias(n, dim):
    vectors, biases, query = model(n, dim)
    wanted = naive.embedding_scores(vectors, biases, query)
    np.testing.assert_allclose(kernels.score_items(vectors, biases, query, ALL), wanted, atol=1e-5)
    allowed = np.arange(n) % 2 == 0
    found = kernels.score_items(vectors, biases, query, allowed)
    np.testing.assert_allclose(found, naive.mask_scores(wanted, [], allowed.tolist()), atol=1e-5)


@pytest.mark.parametrize("dim", [1, 3, 16, 65, 128])
def test_what_a_graph_found_gets_the_same_scores_bit_for_bit_in_exact_order(dim):
    vectors, biases, query = model(200, dim)
    scores = kernels.score_items(vectors, biases, query, ALL)
    found = np.random.default_rng(1).permutation(200)[:50].astype(np.uint64)
    items, rescored = kernels.rank_found(found, vectors, biases, query, NONE, ALL, START)
    assert items.tolist() == sorted(found.tolist(), key=lambda item: (-scores[item], item))
    assert rescored.tolist() == scores[items].tolist()


def test_rank_found_leaves_out_what_is_not_eligible_says_nothing_or_came_before():
    vectors = np.array([[4], [3], [0], [2], [2], [1]], np.float32)
    biases, query = np.zeros(6, np.float32), np.ones(1, np.float32)
    found = np.arange(6, dtype=np.uint64)[::-1].copy()

    def ranked(excluded=(), allowed=(), after=START):
        lists = np.array(excluded, np.int32), np.array(allowed, np.bool_)
        return kernels.rank_found(found, vectors, biases, query, *lists, after)[0].tolist()

    assert ranked() == [0, 1, 3, 4, 5]
    assert ranked(excluded=[0, 4]) == [1, 3, 5]
    assert ranked(allowed=[False, True, True, True, False, True]) == [1, 3, 5]
    assert ranked(after=(2.0, 3)) == [4, 5]
    assert ranked(after=(2.0, 4)) == [5]


def test_mask_before_leaves_what_ranks_after():
    scores = np.array([4, 2, 2, 1, -math.inf], np.float32)
    kernels.mask_before(scores, (2.0, 1))
    assert scores.tolist() == [-math.inf, -math.inf, 2, 1, -math.inf]
    kernels.mask_before(scores, START)
    assert scores.tolist() == [-math.inf, -math.inf, 2, 1, -math.inf]


def test_cosine_items():
    vectors, _, _ = model(9, 5)
    vectors[4] = 0
    np.testing.assert_allclose(kernels.cosine_items(vectors, 2, ALL), naive.cosines(vectors, 2), atol=1e-5)
    assert kernels.cosine_items(vectors, 4, ALL).tolist() == [0.0] * 9
    allowed = np.arange(9) < 3
    assert (kernels.cosine_items(vectors, 2, allowed)[3:] == -math.inf).all()
