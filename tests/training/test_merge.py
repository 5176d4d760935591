"""The strategies over logged lists are those that serve, request by request."""

import numpy as np
import pytest

from tests import naive
from training.candidate_log import END
from training.merge import mark, merge, reciprocal, share, single, sort_all

N_ITEMS, DEPTH, N_CGS, N_LISTS = 30, 12, 3, 6


@pytest.fixture(params=range(5))
def world(request):
    """Lists of unequal lengths with the fill as the last one, curves with ties and rises, requests."""
    rng = np.random.default_rng(request.param)
    items = np.stack([[rng.permutation(N_ITEMS)[:DEPTH] for _ in range(N_LISTS)] for _ in range(N_CGS + 1)]).astype(
        np.int32
    )
    for cg in range(N_CGS):
        for row in range(N_LISTS):
            items[cg, row, rng.integers(0, DEPTH + 1) :] = END
    list_of = rng.integers(0, N_LISTS, 9)
    curves = rng.integers(0, 5, (9, N_CGS, DEPTH - 3)).astype(float)
    return items, list_of, curves


def lists_of(items, row):
    return [own[own != END].tolist() for own in items[:, row]]


def filled(picks, lists, n):
    """Places of (item, cg, position), completed by the fill."""
    taken = {item for item, _, _ in picks}
    rest = [(item, N_CGS, at) for at, item in enumerate(lists[-1]) if item not in taken]
    places = [cg * DEPTH + position for _, cg, position in (picks + rest)[:n]]
    return places + [-1] * (n - len(places))


@pytest.mark.parametrize("n", [1, 7, 40])
def test_merge_by_curves(world, n):
    items, list_of, curves = world
    found = merge(items, list_of, curves, N_ITEMS, n)
    for request, row in enumerate(list_of):
        lists = lists_of(items, row)
        assert found[request].tolist() == filled(naive.merge_k_way(curves[request], lists[:-1], n), lists, n)


@pytest.mark.parametrize("n", [1, 7, 40])
def test_quota(world, n):
    items, list_of, _ = world
    shares = np.array([0.5, 0.3, 0.2])
    found = share(items, list_of, shares, N_ITEMS, n)
    for request, row in enumerate(list_of):
        lists = lists_of(items, row)
        assert found[request].tolist() == filled(naive.merge_by_shares(shares, lists[:-1], n), lists, n)


@pytest.mark.parametrize("n", [1, 7, 12])
def test_reciprocal_rank_fusion(world, n):
    items, list_of, _ = world
    found = reciprocal(items, list_of, N_ITEMS, n)
    for request, row in enumerate(list_of):
        lists = lists_of(items, row)
        score, first = {}, {}
        for position in range(n):
            for cg, own in enumerate(lists[:-1]):
                if position < len(own):
                    first.setdefault(own[position], (cg, position))
                    score[own[position]] = score.get(own[position], 0) + 1 / (61 + position)
        best = sorted(first, key=lambda item: -round(score[item], 12))[:n]  # sorted is stable
        assert found[request].tolist() == filled([(item, *first[item]) for item in best], lists, n)


def test_single(world):
    items, list_of, _ = world
    for cg in range(N_CGS):
        found = single(items, list_of, cg, N_ITEMS, 9)
        for request, row in enumerate(list_of):
            lists = lists_of(items, row)
            own = [(item, cg, position) for position, item in enumerate(lists[cg])][:9]
            assert found[request].tolist() == filled(own, lists, 9)


def test_a_merge_of_falling_curves_is_a_full_sort(world):
    items, list_of, curves = world
    falling = -np.sort(-curves, axis=2)
    found = merge(items, list_of, falling, N_ITEMS, 20)
    for request, row in enumerate(list_of):
        own = found[request][(found[request] >= 0) & (found[request] < N_CGS * DEPTH)]
        assert own.tolist() == sort_all(items[:-1, row], falling[request], 20)


def test_a_merge_of_rising_curves_is_not():
    items = np.array([[[0, 1]], [[2, 3]], [[4, 5]]], np.int32)
    curves = np.array([[[0.0, 9.0], [1.0, 0.5]]])
    assert merge(items, np.array([0]), curves, 6, 2)[0].tolist() == [2, 3]
    assert sort_all(items[:-1, 0], curves[0], 2) == [1, 2]


def test_mark():
    items = np.array([[[3, 1, END]], [[1, 2, 0]]], np.int32)
    marks = mark(items, np.array([0, 0]), np.array([0, 0, 1]), np.array([1, -1, 3]), 4)
    assert marks[0].tolist() == [[False, True, False], [True, False, False]]
    assert marks[1].tolist() == [[True, False, False], [False, False, False]]
