"""Codes of item vectors: what they stand for, and how far that is from the vectors."""

import numpy as np
import pytest

from service.cg.base import ItemMap
from service.cg.scan import CodedRanking, CodedVectors
from service.embedding_kernels import score_items
from service.scan_estimates import COARSE_ERROR, ERROR, LENGTH, SCALE
from service.top_kernels import top_k
from training.scan_codes import arrays, encode, worthwhile


def lower_bits(packed, dim):
    """One line after another, the lower halves of its bytes before the upper ones."""
    lines = [packed[:, first : first + 64] for first in range(0, packed.shape[1], 64)]
    return np.hstack([half for line in lines for half in (line & 15, line >> 4)])[:, :dim].astype(np.int64)


def upper_bits(packed, n, dim):
    """Number j of item i: line j // 8 of block i // 16, byte 4 (i % 16) + j % 4, its upper half if j % 8 > 3."""
    found = np.empty((n, dim), np.int64)
    for i in range(n):
        for j in range(dim):
            found[i, j] = packed[i // 16, j // 8, 4 * (i % 16) + j % 4] >> (4 * (j % 8 > 3)) & 15
    return found


@pytest.mark.parametrize(("n", "dim"), [(0, 5), (1, 1), (7, 128), (5000, 17), (20, 130)])
def test_errors_are_the_distance_to_what_the_codes_stand_for(n, dim):
    vectors = np.random.default_rng(0).normal(size=(n, dim)).astype(np.float32)
    vectors[n // 2 : n // 2 + 1] = 0
    codes = encode(vectors)
    upper, lower, bounds = upper_bits(codes.upper, n, dim), lower_bits(codes.lower, dim), codes.bounds
    for row, values in ((COARSE_ERROR, 16 * upper + 7.5), (ERROR, 16 * upper + lower)):
        missed = np.linalg.norm(vectors - (values - 127.5) * bounds[SCALE].astype(np.float64)[:, None], axis=1)
        assert (missed <= bounds[row]).all()
        np.testing.assert_allclose(bounds[row], missed, rtol=1e-5)
    np.testing.assert_allclose(bounds[LENGTH], np.linalg.norm(vectors, axis=1), rtol=1e-5)
    assert (bounds[LENGTH] >= np.linalg.norm(vectors.astype(np.float64), axis=1)).all()
    assert (bounds[ERROR] <= np.sqrt(dim) * bounds[SCALE]).all()


def test_small_embeddings_have_none():
    assert worthwhile(np.empty((5000, 64), np.float32))
    assert not worthwhile(np.empty((500, 64), np.float32))
    assert not worthwhile(np.empty((5000, 16), np.float32))
    assert set(arrays(encode(np.ones((2, 2), np.float32)))) == {"scan_upper", "scan_lower", "scan_bounds"}


def clustered(rng, n, dim):
    centres = rng.normal(size=(20, dim))
    return (centres[rng.integers(20, size=n)] + 0.7 * rng.normal(size=(n, dim))).astype(np.float32)


def sparse(rng, n, dim):
    """Most are 0, and none is negative: rounding takes the same from all zeros."""
    return (rng.random((n, dim)) * (rng.random((n, dim)) < 0.2)).astype(np.float32)


@pytest.mark.parametrize(("draw", "least", "most"), [(clustered, 0.53, 0.64), (sparse, 0.65, 0.9)])
def test_bounds_for_known_queries_are_as_small_as_such_queries_allow(draw, least, most):
    rng = np.random.default_rng(1)
    vectors, queries = draw(rng, 5000, 128), draw(rng, 300, 128)
    for_all, for_these = encode(vectors), encode(vectors, queries)
    np.testing.assert_array_equal(for_these.lower, for_all.lower)
    found = for_these.bounds[1:] / for_all.bounds[1:]
    assert found.std() < 1e-6
    assert least < found.mean() < most  # 6 / √128 is .5303
    np.testing.assert_array_equal(for_these.bounds[SCALE], for_all.bounds[SCALE])


@pytest.mark.parametrize("draw", [clustered, sparse])
def test_with_bounds_for_known_queries_others_like_them_get_the_best_items(draw):
    rng = np.random.default_rng(2)
    vectors, queries, biases = draw(rng, 5000, 128), draw(rng, 1000, 128), rng.normal(size=5000).astype(np.float32)
    coded = CodedVectors(vectors, biases, encode(vectors, queries[:500]))
    items, nothing = ItemMap(None, 5000), np.empty(0, np.int32)
    for query in queries[500:]:
        found = CodedRanking(coded, query, nothing, items, lambda: biases).top(100)
        wanted, scores = top_k(score_items(vectors, biases, query, np.empty(0, np.bool_)), 100)
        assert found.items.tolist() == wanted.tolist()
        assert found.scores.tolist() == scores.tolist()
