import numpy as np

from tests.stores import id_array
from training import ease
from training.interactions import Interactions, matrix
from training.pruning_loss import pruning_loss
from training.top_weights import keep_largest


def two_tastes(n_users=60, n_items=120, each=12):
    """Even users take even items, odd users odd ones, one after the other in time."""
    rng = np.random.default_rng(0)
    rows = [np.sort(rng.permutation(n_items // 2)[:each] * 2 + user % 2) for user in range(n_users)]
    n = n_users * each
    return Interactions(
        user_ids=id_array(list(range(n_users)), "int64"),
        item_ids=id_array(list(range(n_items)), "int64"),
        indptr=np.arange(n_users + 1, dtype=np.int64) * each,
        items=np.concatenate(rows).astype(np.int32),
        counts=np.ones(n, np.int32),
        last=np.arange(n, dtype=np.int64),
        item_categories=[None] * n_items,
        item_names=[None] * n_items,
    )


def test_the_loss_grows_as_less_is_kept_and_is_nothing_when_all_is():
    interactions, config = two_tastes(), ease.Config(lambd=5)
    W = ease.fit(matrix(interactions), config)
    loss = {k: pruning_loss(W, keep_largest(W, k), interactions, config) for k in (1, 20, 120)}
    assert loss[120]["recall@50 lost"] == 0
    assert loss[120]["recall@50 dense"] == loss[120]["recall@50 pruned"] > 0.8
    assert loss[1]["recall@50 lost"] > loss[20]["recall@50 lost"] >= 0
    assert loss[1]["users"] == 60


def test_users_too_small_to_hide_an_item_are_left_out():
    interactions, config = two_tastes(each=4), ease.Config(lambd=5)
    W = ease.fit(matrix(interactions), config)
    assert pruning_loss(W, keep_largest(W, 1), interactions, config) == {}


def test_recall_by_hand():
    """One user with items 0…4 in time: the last is hidden; W points from item 0 to it, pruned W does not."""
    interactions = two_tastes(n_users=1, n_items=200, each=5)
    hidden, first = interactions.items[-1], interactions.items[0]
    W = np.zeros((200, 200), np.float32)
    W[first, hidden] = 1
    pruned = keep_largest(W, 1)
    assert pruning_loss(W, pruned, interactions, ease.Config())["recall@50 lost"] == 0
    found = pruning_loss(W, -pruned, interactions, ease.Config())
    assert (found["recall@50 dense"], found["recall@50 pruned"], found["recall@50 lost"]) == (1, 0, 1)
