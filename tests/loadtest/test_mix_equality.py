"""Online equals offline where no score rises, over real HTTP, and the command sees it where it does not."""

import numpy as np
import pytest

from loadtest import mix_equality
from service import registry
from service.ids import IdIndex
from service.mix import MixRequest
from service.mix_habits import HABIT_FEATURES, Habits
from tests.mixes import mix_store, random_trees, schema
from tests.stores import N_USERS, user_id

NOW = 1_600_600_000


@pytest.fixture(params=[True, False], ids=["monotone", "free"])
def monotone(request):
    return request.param


def random_habits(n_cgs, rng):
    """Habits of every other user."""
    users = IdIndex(np.array(sorted(user_id(user) for user in range(0, N_USERS, 2)), np.uint64))
    values = rng.normal(size=(2, len(users), n_cgs * len(HABIT_FEATURES))).astype(np.float32)
    return Habits(users, values)


@pytest.mark.parametrize("with_habits", [True, False])
def test_what_http_answers_is_score_everything_and_sort(tmp_path, monotone, with_habits):
    rng = np.random.default_rng(3)
    of = schema(max_position=6, cities=("Bonn",), habits=HABIT_FEATURES if with_habits else ())
    trees = random_trees(of, rng, n_trees=40, monotone=monotone)
    habits = random_habits(len(of.cgs), rng) if with_habits else None
    store = mix_store(tmp_path, trees=trees, of=of, habits=habits)
    release = registry.load(store)
    asked = [
        MixRequest(
            user_id(user), n=n, strategy="mixigen", exclude_seen=bool(n % 2), timestamp=NOW + 3600 * n, city_name=city
        )
        for user in range(N_USERS)
        for n in range(1, 7)
        for city in ("Bonn", None)
    ]
    pairs = mix_equality.compare(store.root, release, asked)
    assert sum(len(pair.online) for pair in pairs) > len(asked)
    assert all(pair.rising is not monotone for pair in pairs)
    different = [pair for pair in pairs if not pair.equal]
    assert (not different) if monotone else different
    lines = mix_equality.summary(pairs).splitlines()
    assert f"{len(pairs)} pairs" in lines[0 if monotone else 1]
    assert f"others {len(different)}" in lines[0 if monotone else 1]
    assert all(0 < pair.moved <= 1 for pair in different)
