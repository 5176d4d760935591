"""Habits against loops, and that they make a difference where users differ."""

import numpy as np
import pytest

from service.mix_habits import BORDERS, HABIT_FEATURES
from tests.training import blending
from training import mixigen_habits, mixigen_stage
from training.mix_evaluation import LIKED_N


@pytest.fixture(scope="module")
def parts(stage):
    return {way: [stage.part("ranker", exclude_seen=way, most=150)] for way in mixigen_stage.WAYS}


def naive(part, n_users):
    """In turns over the lists: every new item counts for the place that had it first."""
    n_cgs, _, depth = part.lists.items.shape
    stretch_of = np.searchsorted(BORDERS, np.arange(depth), side="right") - 1
    worth, count = np.zeros((n_users, n_cgs, 3, 2)), np.zeros((n_users, n_cgs, 3))
    for row, user in enumerate(part.requests.user.tolist()):
        liked = set(part.best[row, :LIKED_N].tolist())
        bought = set(part.requests.item[part.requests.request == row].tolist()) - {-1}
        unit, taken = LIKED_N / part.requests.positives[row], set()
        for position in range(depth):
            for cg in range(n_cgs):
                item = int(part.lists.items[cg, part.list_of[row], position])
                if item < 0 or item in taken:
                    continue
                taken.add(item)
                place = user, cg, stretch_of[position]
                count[place] += 1
                worth[place] += item in liked, unit * (item in bought)
    mean = worth.sum(axis=0) / np.maximum(1, count.sum(axis=0))[..., None]
    shrunk = count + np.array(mixigen_habits.SHRINKAGE)
    return ((worth - count[..., None] * mean) / shrunk[..., None]).reshape(n_users, -1)


def test_habits_are_what_a_loop_over_the_places_finds(stage, parts):
    found = mixigen_habits.learn(stage.release.users, parts)
    found.check(len(stage.cgs))
    for way in mixigen_stage.WAYS:
        wanted = naive(parts[way][0], len(stage.release.users))
        np.testing.assert_allclose(found.values[int(way)], wanted, atol=1e-5)
    assert np.abs(found.values).max() > 0.05


def test_users_without_requests_have_none(stage, parts):
    found = mixigen_habits.learn(stage.release.users, parts).values[0]
    some = np.isin(np.arange(len(found)), parts[False][0].requests.user)
    assert (found[~some] == 0).all()
    assert (found[some] != 0).any(axis=1).all()


def test_two_parts_are_as_good_as_one_of_both(stage, parts):
    part = parts[False][0]
    half = len(part.requests) // 2
    rows = np.arange(len(part.requests))
    split = {way: [part.take(rows[:half]), part.take(rows[half:])] for way in mixigen_stage.WAYS}
    users = stage.release.users
    together = mixigen_habits.learn(users, {way: [part] for way in mixigen_stage.WAYS})
    np.testing.assert_allclose(mixigen_habits.learn(users, split).values, together.values, atol=1e-6)


def test_a_blender_learns_from_what_came_before_the_log(stage, candidate_log, monkeypatch):
    """The habits that it is trained with are of the ranker's part, those that it serves with of later ones."""
    asked = []
    part_of = mixigen_stage.Stage.part

    def spy(self, name, **how):
        asked.append(name)
        return part_of(self, name, **how)

    monkeypatch.setattr(mixigen_stage.Stage, "part", spy)
    before, after = mixigen_stage.make_habits(stage, candidate_log, blending.SMALL)
    assert sorted(asked) == ["ranker", "ranker", "validation", "validation"]
    only_ranker = mixigen_habits.learn(
        stage.release.users, {way: [part_of(stage, "ranker", exclude_seen=way, most=400)] for way in (False, True)}
    )
    np.testing.assert_array_equal(before.values, only_ranker.values)
    assert (before.values != after.values).any()


def test_without_habits_there_is_no_array_over_users(stage, candidate_log):
    config = blending.SMALL.model_copy(update={"habits": False})
    blend = mixigen_stage.train_on(stage, candidate_log, config)
    assert blend.model.habits is None
    assert blend.model.schema.habits == ()
    draft = mixigen_stage.make_draft(blending.log(), blend, config, 1.0)
    assert set(draft.arrays) == {*blend.model.trees._fields, *blend.model.segments.arrays()}


def test_names_are_stretches_by_kinds():
    assert len(HABIT_FEATURES) == 2 * len(BORDERS)
