import numpy as np
import pytest
import scipy.sparse as sp

from training import als, bpr
from training.embeddings import Embeddings
from training.peers.fold_in import fold_in_all

X = sp.random_array((40, 25), density=0.3, rng=np.random.default_rng(0), dtype=np.float32, format="csr")
X.data[:] = 1


@pytest.mark.parametrize("loss", ["ials", "plain"])
def test_als_folds_its_users_in_to_where_training_put_them(loss):
    config = als.Config(dim=6, max_iter=3, loss=loss)
    model = als.fit(X, config)
    folded = fold_in_all(model, X, config)
    np.testing.assert_allclose(folded.users, model.users, atol=1e-4)
    assert folded.items is model.items


def test_a_user_does_not_teach_the_map_that_folds_it_in():
    rng = np.random.default_rng(1)
    users, items = rng.standard_normal((40, 5), np.float32), rng.standard_normal((25, 5), np.float32)
    model, config = Embeddings(users, items, np.zeros(25, np.float32)), bpr.Config()
    before = fold_in_all(model, X, config).users
    other = model._replace(users=users + 100 * (np.arange(40) == 7)[:, None].astype(np.float32))
    changed = (fold_in_all(other, X, config).users != before).any(1)
    assert not changed[7]
    assert changed.sum() == 20
