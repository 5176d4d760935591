from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy.stats import chisquare

from tests import naive
from tests.training.test_bpr import checkerboard, matrix, scores
from training import adaptive_bpr
from training.embeddings import Embeddings
from training.hard_negatives import WIDTH, weigh
from training.pairwise import negative_choice
from training.sampling import make_interactions, stream_key

QUICK = {"dim": 8, "max_iter": 30, "learning_rate": 0.1, "num_epochs_without_updates": 5}
N_ITEMS = 150


@pytest.fixture(scope="module")
def small():
    """60 users with 1 to 30 of 150 items and counts, and a model with scores of some spread."""
    rng = np.random.default_rng(5)
    rows = [np.sort(rng.choice(N_ITEMS, rng.integers(1, 31), replace=False)) for _ in range(60)]
    X = matrix(rows, N_ITEMS, rng.integers(1, 6, sum(map(len, rows))))
    model = Embeddings(
        rng.normal(size=(60, 4)).astype(np.float32),
        rng.normal(size=(N_ITEMS, 4)).astype(np.float32),
        rng.normal(size=N_ITEMS).astype(np.float32),
    )
    return X, model


def sampler_of(X, **options):
    config = adaptive_bpr.Config(dim=4, **options)
    return adaptive_bpr.Sampler(make_interactions(X), negative_choice(X, config), stream_key(0), config)


def drawn(sampler, model, n=200_000):
    triplets = np.empty((n, 3), np.int32)
    if model is None:
        return triplets, adaptive_bpr.draw_first(sampler, 0, triplets)
    with ThreadPoolExecutor(sampler.config.threads) as pool:
        return triplets, adaptive_bpr.draw_adaptive(sampler, model, 0, triplets, pool)


def busiest(X):
    return np.argsort(-X.sum(1))[:5]


def fits(counts, probabilities):
    """Chi-square of the counts, the cells expected below 5 taken together."""
    expected = probabilities * counts.sum()
    assert not counts[probabilities == 0].any()
    rare = expected < 5
    groups = [np.append(a[~rare], a[rare].sum()) for a in (counts, expected)]
    keep = groups[1] > 0
    return chisquare(groups[0][keep], groups[1][keep]).pvalue > 1e-4


@pytest.mark.parametrize("adaptive", [False, True])
def test_users_and_positives_follow_the_values(small, adaptive):
    X, model = small
    triplets, _ = drawn(sampler_of(X), model if adaptive else None)
    counts = np.bincount(triplets[:, 0] * N_ITEMS + triplets[:, 1], minlength=60 * N_ITEMS)
    assert fits(counts, (X.toarray() / X.sum()).ravel())


@pytest.mark.parametrize("adaptive", [False, True])
def test_positives_and_negatives_stay_apart(small, adaptive):
    X, model = small
    triplets, void = drawn(sampler_of(X), model if adaptive else None)
    held = X.toarray() > 0
    assert void == 0
    assert held[triplets[:, 0], triplets[:, 1]].all()
    assert not held[triplets[:, 0], triplets[:, 2]].any()


def test_first_negatives_are_uniform_over_the_users_others(small):
    X, _ = small
    triplets, _ = drawn(sampler_of(X), None)
    for user in busiest(X):
        others = (X[[user]].toarray()[0] == 0) / (N_ITEMS - X[[user]].nnz)
        assert fits(np.bincount(triplets[triplets[:, 0] == user, 2], minlength=N_ITEMS), others)


def test_first_negatives_by_popularity(small):
    X, _ = small
    triplets, void = drawn(sampler_of(X, negatives="popularity"), None)
    assert void == (triplets[:, 2] < 0).sum() > 0
    user = busiest(X)[0]
    mass = np.where(X[[user]].toarray()[0] > 0, 0, X.sum(0))
    mine = triplets[(triplets[:, 0] == user) & (triplets[:, 2] >= 0), 2]
    assert fits(np.bincount(mine, minlength=N_ITEMS), mass / mass.sum())


@pytest.mark.parametrize("temperature", [0.5, 3.0])
def test_later_negatives_follow_the_softmax(small, temperature):
    X, model = small
    triplets, _ = drawn(sampler_of(X, weight_temperature=temperature), model)
    for user in busiest(X):
        expected = naive.softmax_negatives(scores(model)[user], set(X[[user]].indices), temperature)
        assert fits(np.bincount(triplets[triplets[:, 0] == user, 2], minlength=N_ITEMS), expected)


@pytest.mark.parametrize("threads", [1, 2])
def test_blocks_of_users_draw_what_the_whole_table_draws(threads):
    rng = np.random.default_rng(1)
    n_users, n_items = 40, 20_000  # a table of 3 MiB: three blocks or more under a limit of 1 MiB
    X = matrix([rng.choice(n_items, 3, replace=False) for _ in range(n_users)], n_items)
    model = Embeddings(
        *(rng.normal(size=(n, 8)).astype(np.float32) for n in (n_users, n_items)),
        np.zeros(n_items, np.float32),
    )
    whole, _ = drawn(sampler_of(X), model, 20_000)
    parts, _ = drawn(sampler_of(X, table_memory_limit=1, num_threads=threads), model, 20_000)
    np.testing.assert_array_equal(whole[:, :2], parts[:, :2])
    # the matrix product may round differently in another block, which moves a draw at the edge of two items
    assert (whole[:, 2] == parts[:, 2]).mean() > 0.999


@pytest.mark.parametrize("n_items", [1, 63, 64, 65, 200])
@pytest.mark.parametrize("spread", [0.1, 30.0])
def test_weights_are_the_softmax(n_items, spread):
    rng = np.random.default_rng(n_items)
    row, biases = rng.normal(0, spread, (2, n_items)).astype(np.float32)
    positives = np.unique(rng.integers(0, n_items, n_items // 3)).astype(np.int32)
    expected = naive.softmax_negatives(row + biases, set(positives), 0.5)
    sums = np.empty(-(-n_items // WIDTH))
    weigh(row, biases, positives, np.float32(0.5), sums)
    np.testing.assert_allclose(row / sums[-1], expected, rtol=1e-4 if spread > 1 else 2e-6, atol=1e-30)
    np.testing.assert_allclose(sums, np.cumsum(np.add.reduceat(row, np.arange(0, n_items, WIDTH))), rtol=1e-5)
    assert not row[positives].any()


def test_a_positive_with_a_far_higher_score_does_not_flatten_the_others():
    row = np.array([1e6, 1.0, 0.0], np.float32)
    weigh(row, np.zeros(3, np.float32), np.array([0], np.int32), np.float32(0.5), np.empty(1))
    np.testing.assert_allclose(row, [0, 1, np.exp(-2)], rtol=1e-6)


@pytest.mark.parametrize("threads", [1, 2])
def test_held_out_items_of_a_checkerboard_are_found(threads):
    X = checkerboard()
    model = adaptive_bpr.fit(X, adaptive_bpr.Config(**{**QUICK, "max_iter": 60, "num_threads": threads}))
    ranked = np.where(X.toarray() > 0, -np.inf, scores(model)).argmax(1)
    assert (ranked == np.arange(40)).mean() > 0.9


def test_same_seed_same_model():
    X = checkerboard(10)
    one, two = (adaptive_bpr.fit(X, adaptive_bpr.Config(**QUICK, seed=3)) for _ in range(2))
    for first, second in zip(one, two, strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("rows", [[[0]], [[0, 1, 2]], [[], [1], []], [[0], [0], [0]], [[0, 1, 2], [1]]])
def test_degenerate_matrices_are_fitted(rows):
    n_items = 1 + max(item for row in rows for item in row)
    config = adaptive_bpr.Config(dim=3, max_iter=4, num_epochs_without_updates=1)
    X = matrix(rows, n_items)
    model, skipped = adaptive_bpr.train(X, config)
    assert all(np.isfinite(array).all() for array in model)
    full = [row for row in rows if len(row) == n_items]
    assert (skipped > 0) == bool(full)
    if len(full) == sum(map(bool, rows)):
        assert skipped == 4 * X.nnz


def test_defaults_are_the_references():
    config = adaptive_bpr.Config()
    assert (config.dim, config.max_iter, config.learning_rate, config.lambd) == (128, 100, 0.01, 0.01)
    assert (config.weight_temperature, config.num_epochs_without_updates, config.threads) == (0.5, 10, 1)
    assert config.negatives == "uniform"
