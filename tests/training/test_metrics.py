import numpy as np
import pytest

from tests import naive
from training import metrics

LISTS = np.array([[5, 3, 1, -1], [0, 1, 2, 3]], np.int32)
POSITIVES = metrics.Positives(
    unit=np.array([0, 0, 1, 2, 2, 2]),
    item=np.array([3, 9, -1, 0, 3, 7]),
    list_of_unit=np.array([0, 0, 1]),
)


def test_ranks_of_hits_and_misses():
    assert metrics.ranks(LISTS, POSITIVES).tolist() == [1, 4, 4, 0, 3, 4]


def test_recall_by_hand():
    rank = metrics.ranks(LISTS, POSITIVES)
    assert metrics.recall(rank, POSITIVES, 1).tolist() == pytest.approx([0, 0, 1 / 3])
    assert metrics.recall(rank, POSITIVES, 4).tolist() == pytest.approx([1 / 2, 0, 2 / 3])


def test_ndcg_by_hand():
    rank = metrics.ranks(LISTS, POSITIVES)
    second, fourth = 1 / np.log2(3), 1 / np.log2(5)
    expected = [second / (1 + second), 0, (1 + fourth) / (1 + second + 0.5)]
    assert metrics.ndcg(rank, POSITIVES, 4).tolist() == pytest.approx(expected)
    assert metrics.ndcg(rank, POSITIVES, 1).tolist() == pytest.approx([0, 0, 1])


def test_novelty_and_diversity_by_hand():
    share = np.array([1.0, 0.5, 0, 0.25, 0, 0.75], np.float32)
    assert metrics.novelty(LISTS, share, 2).tolist() == pytest.approx([0.5, 0.25])
    assert metrics.novelty(LISTS, share, 4)[0] == pytest.approx(0.5), "padding does not count"
    categories = np.array([0, 0, -1, 1, 1, 1], np.int32)
    assert metrics.category_diversity(LISTS, categories, 3).tolist() == pytest.approx([2 / 3, 1 / 3])
    assert metrics.category_diversity(LISTS, categories, 4).tolist() == pytest.approx([2 / 3, 1 / 2])


def test_an_empty_list_is_worth_nothing():
    empty = np.full((2, 3), -1, np.int32)
    assert metrics.recall(metrics.ranks(empty, POSITIVES), POSITIVES, 3).sum() == 0
    assert metrics.novelty(empty, np.ones(9, np.float32), 3).tolist() == [0, 0]
    assert metrics.category_diversity(empty, np.zeros(9, np.int32), 3).tolist() == [0, 0]


@pytest.mark.parametrize("seed", range(20))
def test_random_lists_against_the_naive_twins(seed):
    rng = np.random.default_rng(seed)
    n_lists, n_items, k = 7, 12, int(rng.integers(1, 9))
    lists = np.full((n_lists, k), -1, np.int32)
    for row in lists:
        length = rng.integers(0, k + 1)
        row[:length] = rng.permutation(n_items)[:length]
    list_of_unit = rng.integers(0, n_lists, 9)
    pairs = [(unit, item) for unit in range(9) for item in rng.permutation(n_items + 3)[: rng.integers(1, 6)]]
    unit, item = np.array(pairs).T
    item = np.where(item >= n_items, -1, item)
    positives = metrics.Positives(unit, item, list_of_unit)
    rank = metrics.ranks(lists, positives)
    for cut in (1, k):
        for name in ("recall", "ndcg"):
            expected = [
                getattr(naive, name)(lists[list_of_unit[u]].tolist(), item[unit == u].tolist(), cut) for u in range(9)
            ]
            found = getattr(metrics, name)(rank, positives, cut)
            np.testing.assert_allclose(found, expected, err_msg=name)
