"""The oracles know the truth: that is what they are held against here, before any blender is."""

import numpy as np
import pytest

from tests.training import blending
from training import planted_oracle
from training.candidate_log import END
from training.datasets.planted import HOURS
from training.merge import merge
from training.quotas import search


@pytest.fixture(scope="module")
def world():
    return blending.planted()


@pytest.fixture(scope="module")
def part(stage):
    return stage.part("test", exclude_seen=False, most=400)


@pytest.fixture(scope="module")
def probabilities(stage, part, world):
    return planted_oracle.place_probabilities(world, stage.release, part.requests, part.lists)


def expected(picks, probabilities):
    """Mean over requests of the expected number of hits; the fill's places are not known and count nothing."""
    flat = probabilities.reshape(len(probabilities), -1)
    known = (picks >= 0) & (picks < flat.shape[1])
    return np.where(known, np.take_along_axis(flat, np.where(known, picks, 0), axis=1), 0).sum(axis=1).mean()


def test_places_have_the_planted_probability_of_their_item(stage, part, world, probabilities):
    user_of, item_of = (
        planted_oracle.world_rows(ids, index)
        for ids, index in ((world.user_ids, stage.release.users), (world.item_ids, stage.release.items))
    )
    for request in range(0, 40, 7):
        user, hour = part.requests.user[request], part.requests.timestamps[request] // 3600 % HOURS
        chances = world.item_probabilities(user_of[[user]], int(hour))[0]
        places = part.lists.items[:, part.list_of[request]]
        wanted = np.where(places == END, 0, chances[item_of[np.maximum(places, 0)]])
        np.testing.assert_allclose(probabilities[request], wanted)


def test_a_world_of_another_log_is_refused(stage, world):
    with pytest.raises(ValueError, match="use the plan that the log was made with"):
        planted_oracle.world_rows(world.user_ids + np.uint64(1), stage.release.users)


def test_who_knows_more_finds_more(stage, part, world, probabilities):
    """Every single generator ≤ the best quota for these very requests < the oracle < who knows the items too.

    In a world of 400 items that holds for short lists alone: in long ones all generators have the same items.
    """
    n = 10
    n_items, n_cgs = part.n_items, len(part.lists.cgs)
    singles = [expected(part.single(cg, n), probabilities) for cg in range(n_cgs)]
    _, quota = search(lambda shares: expected(part.quota(shares, n), probabilities), n_cgs)
    curves = planted_oracle.curves(world, stage.release, part.requests, part.lists, probabilities)
    oracle = expected(merge(part.items, part.list_of, curves, n_items, n), probabilities)
    bound = expected(planted_oracle.allocate(part.lists, part.list_of, probabilities, n_items, n), probabilities)
    assert max(singles) <= quota + 1e-9
    assert quota < oracle < bound


def test_allocation_by_hand():
    """The stretch with the highest mean of new items goes first; an item that two lists have counts once."""
    items = np.int32([[[0, 1, 2]], [[0, 3, END]]])
    chances = np.float64([[[0.1, 0.9, 0.0], [0.1, 0.3, 0.0]]])
    lists = planted_oracle.Lists(("a", "b"), np.int32([7]), items, np.int32([[END] * 3]), exclude_seen=False)
    picks = planted_oracle.allocate(lists, np.int64([0]), chances, 4, 4)
    assert picks.tolist() == [[0, 1, 3 + 1, 2]]
