"""The ranker: candidates against slow twins, and that it learns what there is to learn."""

import numpy as np
import pytest

from tests.training import blending
from training import ranker
from training.candidate_log import END, Lists
from training.mixigen_stage import make_lists
from training.ranker import Pools, _candidates
from training.ranker_features import FEATURES, learn_facts


def random_lists(seed, n_users=6, n_cgs=3, depth=7, n_items=20):
    """Lists that overlap, some short, one user without any."""
    rng = np.random.default_rng(seed)
    items = np.full((n_cgs, n_users, depth), END, np.int32)
    for cg in range(n_cgs):
        for user in range(1, n_users):
            size = rng.integers(0, depth + 1)
            items[cg, user, :size] = rng.permutation(n_items)[:size]
    fill = np.full((n_users, depth), END, np.int32)
    return Lists(("a", "b", "c"), np.arange(n_users, dtype=np.int32) * 2, items, fill, exclude_seen=False)


@pytest.mark.parametrize("seed", range(5))
def test_pools_are_the_union_of_the_lists_with_inverse_ranks(seed):
    lists = random_lists(seed)
    pools = Pools.of(lists)
    for user in range(len(lists.users)):
        own = [[item for item in row.tolist() if item != END] for row in lists.items[:, user]]
        found = slice(pools.starts[user], pools.starts[user + 1])
        wanted = sorted(set().union(*own))
        assert pools.items[found].tolist() == wanted
        ranks = [[1 / (row.index(item) + 1) if item in row else 0 for row in own] for item in wanted]
        np.testing.assert_allclose(pools.ranks[found], np.float32(ranks).reshape(-1, 3))


def test_expanding_gives_every_request_its_users_candidates():
    lists = random_lists(1)
    pools = Pools.of(lists)
    list_of = np.array([3, 0, 5, 3])
    request, row = pools.expand(list_of)
    wanted = [
        (number, place)
        for number, own in enumerate(list_of)
        for place in range(pools.starts[own], pools.starts[own + 1])
    ]
    assert list(zip(request.tolist(), row.tolist(), strict=True)) == wanted


@pytest.mark.parametrize("keep", [1, 4, 100])
def test_training_keeps_all_that_was_taken_and_some_others(stage, keep):
    requests = stage.ranked.take(np.arange(40))
    lists = make_lists(stage.release, stage.cgs, requests.user, exclude_seen=False)
    pools, list_of = Pools.of(lists), lists.row_of(requests.user)
    parts = list(_candidates(requests, pools, list_of, keep, np.random.default_rng(0)))
    request, row, label = (np.concatenate(column) for column in zip(*parts, strict=True))
    for number in range(len(requests)):
        taken = set(requests.item[requests.request == number].tolist())
        pool = pools.items[pools.starts[list_of[number]] : pools.starts[list_of[number] + 1]].tolist()
        kept, marks = pools.items[row[request == number]].tolist(), label[request == number].tolist()
        assert len(kept) == len(set(kept))
        assert [item in taken for item in kept] == marks
        assert {item for item, mark in zip(kept, marks, strict=True) if mark} == taken & set(pool)
        assert len(kept) == min(len(pool), max(keep, len(taken & set(pool))))


class Scripted:
    """A model that scores by one column."""

    def __init__(self, column):
        self.column = column

    def predict(self, X):
        return np.nan_to_num(X[:, self.column]).astype(np.float64)


@pytest.mark.parametrize("column", [FEATURES.index("item_popularity"), FEATURES.index("repeats"), len(FEATURES)])
def test_best_items_are_the_sorted_candidates(stage, column):
    """The last column is the inverse rank at the first generator; equal scores: the lower item."""
    requests = stage.ranked.take(np.arange(25))
    lists = make_lists(stage.release, stage.cgs, requests.user, exclude_seen=False)
    facts = learn_facts(stage.timeline.before("ranker"), stage.release)
    found = ranker.best_items(Scripted(column), requests, lists, facts, 12)
    for row, user in enumerate(requests.user.tolist()):
        own = lists.items[:, lists.row_of(np.int32([user]))[0]]
        pool = sorted(set(own.ravel().tolist()) - {END})
        score = {}
        for item in pool:
            place, known = np.searchsorted(facts.pairs, user * len(facts.items) + item), facts.pairs
            had = place < len(known) and known[place] == user * len(facts.items) + item
            score[item] = [
                float(facts.items[item, FEATURES.index("item_popularity") - len(facts.users[0])]),
                float(facts.pair_requests[place]) if had else 0.0,
                1 / (own[0].tolist().index(item) + 1) if item in own[0] else 0.0,
            ][[FEATURES.index("item_popularity"), FEATURES.index("repeats"), len(FEATURES)].index(column)]
        wanted = sorted(pool, key=lambda item: (-np.float32(score[item]), item))[:12]
        assert found[row, : len(wanted)].tolist() == wanted
        assert (found[row, len(wanted) :] == END).all()


def test_it_likes_what_is_taken_more_than_chance(stage):
    """On later requests its first ten hold more of what was bought than ten candidates at random."""
    part = stage.part("validation", exclude_seen=False, most=200)
    bought = [set(part.requests.item[part.requests.request == row].tolist()) - {-1} for row in range(len(part.best))]
    hits = sum(len(own & set(best[:10].tolist())) for own, best in zip(bought, part.best, strict=True))
    pools = Pools.of(part.lists)
    chance = 0.0
    for own, row in zip(bought, part.list_of.tolist(), strict=True):
        pool = set(pools.items[pools.starts[row] : pools.starts[row + 1]].tolist())
        chance += len(own & pool) * 10 / max(10, len(pool))
    assert hits > 2 * chance


def test_importance_names_every_column_and_adds_up(stage):
    found = ranker.importance(stage.ranker, stage.cgs)
    assert set(found) == {*FEATURES, *(f"rank_{name}" for name in stage.cgs)}
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert sum(found.values()) == pytest.approx(100)


def test_one_request_is_not_enough(stage):
    requests = stage.ranked.take(np.arange(1))
    lists = make_lists(stage.release, stage.cgs, requests.user, exclude_seen=False)
    facts = learn_facts(stage.timeline.before("ranker"), stage.release)
    with pytest.raises(ValueError, match="to train the ranker on, wanted two"):
        ranker.train([(requests, lists)], facts, blending.SMALL_RANKER)
