import logging

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.sparse import csr_array

from training import bpr
from training.pairwise import epoch_size, epochs, initial_model, negative_choice

QUICK = {"dim": 8, "max_iter": 30, "learning_rate": 0.1, "negatives": "uniform"}


def matrix(rows, n_items, values=None):
    indptr = np.cumsum([0, *map(len, rows)])
    indices = np.array([item for row in rows for item in row], np.int64)
    data = np.ones(len(indices)) if values is None else np.array(values)
    return csr_array((data.astype(np.float32), indices, indptr), shape=(len(rows), n_items))


def checkerboard(n=40):
    """User u likes the items of u's parity, but for one each that is held out: item u."""
    return matrix([[i for i in range(n) if (i - u) % 2 == 0 and i != u] for u in range(n)], n)


def scores(model):
    return model.users @ model.items.T + model.item_biases


@pytest.mark.parametrize("options", [{}, {"negatives": "popularity"}, {"num_threads": 2}])
def test_held_out_items_of_a_checkerboard_are_found(options):
    X = checkerboard()
    model = bpr.fit(X, bpr.Config(**{**QUICK, "max_iter": 60, **options}))
    ranked = np.where(X.toarray() > 0, -np.inf, scores(model)).argmax(1)
    assert (ranked == np.arange(40)).mean() > 0.9


def test_quality_on_planted_clusters_is_in_its_band():
    """Each user takes 10 of the 20 items of a cluster and 3 others: recall@10 of the rest of the cluster."""
    rng = np.random.default_rng(0)
    rows, held = [], []
    for user in range(200):
        cluster = rng.permutation(np.arange(20) + 20 * (user % 5))
        rows.append(np.unique([*cluster[:10], *rng.integers(0, 100, 3)]))
        held.append(np.setdiff1d(cluster, rows[-1]))
    X = matrix(rows, 100)
    shown = np.where(X.toarray() > 0, -np.inf, scores(bpr.fit(X, bpr.Config(**QUICK))))
    top = np.argsort(-shown, axis=1)[:, :10]
    recall = np.mean([len(np.intersect1d(t, h)) / len(h) for t, h in zip(top, held, strict=True)])
    assert 0.85 < recall < 1.0


def test_same_seed_same_model_and_other_seed_another():
    X = checkerboard(10)
    first, again, other = (bpr.fit(X, bpr.Config(**QUICK, seed=seed)) for seed in (1, 1, 2))
    for one, two, three in zip(first, again, other, strict=True):
        assert one.dtype == np.float32
        np.testing.assert_array_equal(one, two)
        assert not np.array_equal(one, three)


def test_false_negatives_are_counted():
    X = matrix([[0, 1, 2], [3]], 4)
    config = bpr.Config(dim=2, max_iter=5000, negatives="uniform", learning_rate=0.001)
    _, skipped = bpr.train(X, config)
    # 3 of 4 draws are of user 0, who has 3 of 4 items; 1 of 4 of user 1, who has 1
    assert skipped / (config.max_iter * 4) == pytest.approx(3 / 4 * 3 / 4 + 1 / 4 * 1 / 4, abs=0.02)
    _, equal = bpr.train(X, config.model_copy(update={"skip_false_negatives": False}))
    assert equal / (config.max_iter * 4) == pytest.approx(1 / 4, abs=0.02)
    _, popular = bpr.train(matrix([[0, 1], [0]], 2), config.model_copy(update={"negatives": "popularity"}))
    # user 0 has every item; user 1, drawn once in three, has item 0, which is drawn twice in three
    assert popular / (config.max_iter * 3) == pytest.approx(2 / 3 + 1 / 3 * 2 / 3, abs=0.02)


def test_threads_skip_the_same_triplets():
    X = checkerboard(10)
    assert len({bpr.train(X, bpr.Config(**QUICK, num_threads=n))[1] for n in (1, 2, 3)}) == 1


def test_skipped_triplets_are_logged(caplog):
    with caplog.at_level(logging.INFO):
        bpr.fit(matrix([[0, 1]], 2), bpr.Config(dim=2, max_iter=2))
    assert "skipped 4 of 4 triplets (100.0 %)" in caplog.text


def test_counts_weigh_like_repeats():
    counts = matrix([[0, 1], [2]], 3, [3, 1, 2])
    assert epoch_size(counts) == 6
    assert epoch_size(matrix([[0, 1], [2]], 3)) == 3
    tables = {exponent: negative_choice(counts, bpr.Config(negatives_exponent=exponent)) for exponent in (0, 1, 2)}
    assert tables[0].threshold.size == 0
    for exponent in (1, 2):
        own = tables[exponent].threshold / 2**32
        mass = own + np.bincount(tables[exponent].alias, 1 - own, 3)
        expected = np.array([3, 1, 2.0]) ** exponent
        np.testing.assert_allclose(mass / 3, expected / expected.sum(), atol=1e-7)


def test_with_repeats_ranked_and_false_negatives_kept_the_more_frequent_item_wins():
    X = matrix([[0, 1, 2]] * 20, 6, [9, 3, 1] * 20)
    config = bpr.Config(**{**QUICK, "learning_rate": 0.05}, lambd=0, skip_false_negatives=False)
    ranking = np.argsort(-scores(bpr.fit(X, config)), axis=1)
    assert (ranking[:, :3] == [0, 1, 2]).all()


def test_initial_model_has_zeros_where_nothing_is_known():
    X = matrix([[0], [], [3]], 4)
    model = initial_model(X, bpr.Config(dim=64))
    assert model.users.any(1).tolist() == [True, False, True]
    assert model.items.any(1).tolist() == [True, False, False, True]
    assert not model.item_biases.any()
    assert model.users[0].std() == pytest.approx(0.2 / 64, rel=0.3)


@pytest.mark.parametrize("rows", [[[0]], [[0, 1, 2]], [[], [1], []], [[0], [0], [0]]])
@pytest.mark.parametrize("negatives", ["uniform", "popularity"])
def test_degenerate_matrices_are_fitted(rows, negatives):
    n_items = 1 + max(item for row in rows for item in row)
    model = bpr.fit(matrix(rows, n_items), bpr.Config(dim=3, max_iter=3, negatives=negatives))
    assert model.users.shape == (len(rows), 3)
    assert model.items.shape == (n_items, 3)
    assert all(np.isfinite(array).all() for array in model)


def test_more_threads_than_triplets():
    assert np.isfinite(bpr.fit(matrix([[0]], 2), bpr.Config(dim=2, max_iter=2, num_threads=8)).users).all()


def test_divergence_names_the_remedy():
    with pytest.raises(ValueError, match="lower learning_rate"):
        bpr.fit(checkerboard(10), bpr.Config(**{**QUICK, "learning_rate": 1e6}, lambd=1.0))


@pytest.mark.parametrize("values", [[1.0, -1.0], [0.0, 0.0], [np.nan, 1.0]])
def test_unusable_values_are_refused(values):
    with pytest.raises(ValueError, match="non-negative"):
        bpr.fit(matrix([[0], [1]], 2, values), bpr.Config(dim=2))


def test_linear_decay_ends_just_above_zero():
    config = bpr.Config(max_iter=4, learning_rate=0.4, learning_rate_decay="linear")
    assert [float(rate) for _, rate in epochs(config, "")] == pytest.approx([0.4, 0.3, 0.2, 0.1])


def test_bias_penalty_defaults_to_the_common_one():
    assert bpr.Config(lambd=0.5).penalties() == (0.5, 0.5)
    assert bpr.Config(lambd=0.5, bias_lambd=0).penalties() == (0.5, 0)


def test_defaults_are_the_references():
    config = bpr.Config()
    assert (config.dim, config.max_iter, config.learning_rate, config.lambd) == (128, 100, 0.01, 0.01)
    assert (config.negatives, config.negatives_exponent, config.threads) == ("popularity", 1.0, 1)
    assert config.skip_false_negatives


@pytest.mark.parametrize("wrong", [{"dim": 0}, {"learning_rate": 0}, {"negatives": "hard"}, {"lambda": 1}])
def test_config_refuses(wrong):
    with pytest.raises(ValidationError):
        bpr.Config(**wrong)
