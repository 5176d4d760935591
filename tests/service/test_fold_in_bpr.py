import numpy as np
import pytest
from scipy.sparse import csr_array

from service.cg.fold_in_bpr import fold_in, learn_map

RNG = np.random.default_rng(0)
ITEMS = RNG.normal(size=(30, 4)).astype(np.float32)


def histories(n_users=200):
    X = (RNG.random((n_users, 30)) < 0.2) * RNG.integers(1, 5, (n_users, 30))
    X[0] = 0
    return csr_array(X.astype(np.float32))


def test_an_affine_relation_is_recovered_for_unseen_histories():
    wanted = RNG.normal(size=(5, 4))
    X = histories()
    means = X.toarray() @ ITEMS / np.maximum(X.sum(1), 1)[:, None]
    users = (np.hstack([means, np.ones((200, 1))]) @ wanted).astype(np.float32)
    learned = learn_map(users, ITEMS, X)
    assert learned.dtype == np.float32
    items, weights = np.array([3, 20, 7]), np.array([1, 2, 5], np.float32)
    mean = (ITEMS[3] + 2 * ITEMS[20] + 5 * ITEMS[7]) / 8
    # the ridge shrinks a little
    vector = fold_in(ITEMS, learned, items, weights)
    np.testing.assert_allclose(vector, np.append(mean, 1) @ wanted, atol=0.05)
    assert vector.dtype == np.float32
    np.testing.assert_allclose(fold_in(ITEMS, learned, items[::-1], weights[::-1] * 3), vector, rtol=1e-5)


def test_users_without_history_do_not_teach():
    X = histories()
    users = RNG.normal(size=(200, 4)).astype(np.float32)
    other = users.copy()
    other[0] = 1e6
    np.testing.assert_array_equal(learn_map(users, ITEMS, X), learn_map(other, ITEMS, X))


def test_nothing_to_learn_from_and_nothing_to_fold_in_are_zeros():
    nothing = learn_map(np.ones((2, 4), np.float32), ITEMS, csr_array((2, 30), dtype=np.float32))
    np.testing.assert_array_equal(nothing, np.zeros((5, 4)))
    one_map = np.ones((5, 4), np.float32)
    empty = fold_in(ITEMS, one_map, np.empty(0, np.int32), np.empty(0, np.float32))
    np.testing.assert_array_equal(empty, np.zeros(4))


@pytest.mark.parametrize(
    ("items", "weights", "remedy"),
    [([1, 2], [1], "one weight for each item"), ([1, 2], [0, 0], "more than 0"), ([1], [np.nan], "more than 0")],
)
def test_wrong_weights_are_refused(items, weights, remedy):
    with pytest.raises(ValueError, match=remedy):
        fold_in(ITEMS, np.ones((5, 4), np.float32), np.array(items), np.array(weights, np.float32))
