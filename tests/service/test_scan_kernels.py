"""The search by codes: its bounds hold, and its answer is that of a scan of all vectors, bit for bit."""

import numpy as np
import pytest

from service import embedding_kernels, scan_estimates, scan_kernels
from service.cg.base import ItemMap
from service.cg.scan import CodedRanking, CodedVectors, best_of_each
from service.cg.several import starts_of
from service.scan_estimates import COARSE_ERROR, LENGTH
from service.top_kernels import NOT_ELIGIBLE, top_k
from training.scan_codes import encode

ALL = np.empty(0, np.bool_)
SHAPES = [(1, 1), (9, 3), (60, 128), (300, 130), (1000, 64), (2500, 200)]


def model(n, dim, kind="normal"):
    """Vectors, biases and a query; `tails`: a few numbers far larger than the rest; `ties`: small integers."""
    rng = np.random.default_rng(n + dim)
    if kind == "ties":
        values = [rng.integers(-1, 2, shape) for shape in ((n, dim), n, dim)]
    else:
        values = [rng.normal(size=shape) for shape in ((n, dim), n, dim)]
    if kind == "tails":
        values = [value**5 * 10.0 ** rng.integers(-6, 6) for value in values]
    vectors, biases, query = (np.asarray(value, np.float32) for value in values)
    query[0] = 1
    return vectors, biases, query


def ranking(vectors, biases, query, excluded, scores=None):
    """Rank by codes; a fallback to the scan of all vectors fails unless `scores` are given."""
    coded = CodedVectors(vectors, biases, encode(vectors), max_share=1)
    return CodedRanking(coded, query, np.array(excluded, np.int32), ItemMap(None, len(vectors)), scores)


def exact(vectors, biases, query, excluded):
    scores = embedding_kernels.score_items(vectors, biases, query, ALL)
    scores[np.array(excluded, np.int32)] = NOT_ELIGIBLE
    return scores


@pytest.mark.parametrize("kind", ["normal", "tails", "ties"])
@pytest.mark.parametrize(("n", "dim"), SHAPES)
def test_estimates_miss_scores_by_no_more_than_their_margins(n, dim, kind):
    vectors, biases, query = model(n, dim, kind)
    coded = CodedVectors(vectors, biases, encode(vectors))
    upper, lower, bounds = coded.codes
    asked = scan_estimates.code_query(query)
    joined = scan_estimates.estimate(upper, bounds, biases, scan_estimates.code_queries(query[None]), 0, 1)[0]
    scan_estimates.finish(joined, n, np.empty(0, np.int32))
    coarse, best = scan_estimates.parts_of(joined, n)
    stacks = -(-n // 8)
    assert best.tolist() == [max(coarse[place::stacks]) for place in range(stacks)]
    everything = np.arange(n, dtype=np.int32)
    least, most = scan_kernels._finer(everything, lower, bounds, coarse, asked, coded.slack)
    scores = embedding_kernels.score_items(vectors, biases, query, ALL)
    margins = asked.length * bounds[COARSE_ERROR] + asked.missed * bounds[LENGTH] + coded.slack
    assert (np.abs(coarse.astype(np.float64) - scores) <= margins).all()
    assert (least <= scores).all()
    assert (scores <= most).all()
    fine = (least.astype(np.float64) + most) / 2
    assert np.abs(fine - scores).mean() <= np.abs(coarse - scores).mean() / 4 or n < 60 or kind == "ties"


@pytest.mark.parametrize("kind", ["normal", "tails", "ties"])
@pytest.mark.parametrize(("n", "dim"), SHAPES)
def test_the_best_are_those_of_a_scan_of_all_vectors(n, dim, kind):
    vectors, biases, query = model(n, dim, kind)
    rng = np.random.default_rng(1)
    for share in (0, 0.3, 0.9):
        excluded = np.flatnonzero(rng.random(n) < share)
        scores = exact(vectors, biases, query, excluded)
        for k in (1, 2, 10, 100, n // 2, n, n + 3):
            wanted, their = top_k(scores, k)
            found = ranking(vectors, biases, query, excluded, scores.copy).top(k)
            assert found.items.tolist() == wanted.tolist()
            assert found.scores.tolist() == their.tolist()


@pytest.mark.parametrize("n_queries", [1, 2, 4, 5, 8, 9, 13, 17])
@pytest.mark.parametrize(("n", "dim"), SHAPES[2:])
def test_the_best_for_each_of_several_queries_are_those_for_it_alone(n, dim, n_queries):
    vectors, biases, _ = model(n, dim)
    rng = np.random.default_rng(n_queries)
    queries = rng.normal(size=(n_queries, dim)).astype(np.float32)
    excluded = [np.flatnonzero(rng.random(n) < share).astype(np.int32) for share in rng.random(n_queries) / 2]
    coded = CodedVectors(vectors, biases, encode(vectors), max_share=1)
    found = best_of_each(coded, queries, np.concatenate(excluded), starts_of(excluded), ItemMap(None, n), 20)
    for own, query, not_these in zip(found.each(), queries, excluded, strict=True):
        wanted, their = top_k(exact(vectors, biases, query, not_these), 20)
        assert own.items.tolist() == wanted.tolist()
        assert own.scores.tolist() == their.tolist()


def test_for_several_queries_the_codes_say_when_they_cannot_tell():
    vectors, biases, _ = model(300, 130)
    queries, none = np.ones((2, 130), np.float32), np.empty(0, np.int32)
    few = [none, np.arange(295, dtype=np.int32)]
    joined = np.concatenate(few), starts_of(few)
    coded = CodedVectors(vectors, biases, encode(vectors), max_share=0.5)
    first, second = best_of_each(coded, queries, *joined, ItemMap(None, 300), 20).each()
    assert (len(first), len(second)) == (20, 5)
    assert best_of_each(coded, queries, *joined, ItemMap(None, 300), 200) is None
    assert best_of_each(coded, queries, *joined, ItemMap(None, 300), 0) is None


def test_of_several_queries_one_that_says_nothing_gets_nothing():
    vectors, biases, _ = model(300, 130)
    coded = CodedVectors(vectors, biases, encode(vectors), max_share=1 / 2)
    queries, nothing = np.random.default_rng(0).normal(size=(3, 130)).astype(np.float32), np.empty(0, np.int32)
    queries[1] = 0
    found = best_of_each(coded, queries, nothing, np.zeros(4, np.int32), ItemMap(None, 300), 20)
    assert found.sizes.tolist() == [20, 0, 20]
    for query, own in zip(queries[::2], found.each()[::2], strict=True):
        assert own.items.tolist() == top_k(exact(vectors, biases, query, nothing), 20)[0].tolist()


def test_the_best_are_found_by_codes_alone():
    vectors, biases, query = model(2500, 200)
    scores = exact(vectors, biases, query, [3, 4])
    found = ranking(vectors, biases, query, [3, 4])  # cannot scan
    for k in (50, 10, 100, 1000):
        assert found.top(k).items.tolist() == top_k(scores, k)[0].tolist()


def test_most_vectors_are_never_looked_at():
    vectors, biases, query = model(2500, 200)
    wanted = top_k(exact(vectors, biases, query, []), 20)[0].tolist()
    coded = CodedVectors(vectors, biases, encode(vectors))
    read = vectors.copy()
    read[np.argsort(vectors @ query + biases)[:-100]] = np.nan
    coded.vectors = read
    found = CodedRanking(coded, query, np.empty(0, np.int32), ItemMap(None, 2500), lambda: biases)
    assert found.top(20).items.tolist() == wanted


def test_a_list_ends_where_scores_are_0():
    vectors, biases, query = model(2500, 200)
    vectors[20:], biases[20:] = 0, 0
    scores = exact(vectors, biases, query, [])
    found = ranking(vectors, biases, query, [], scores.copy)
    assert found.top(10).items.tolist() == top_k(scores, 10)[0].tolist()
    assert found.top(100).items.tolist() == top_k(scores, 100)[0].tolist()
    assert len(found.top(100)) == 20
