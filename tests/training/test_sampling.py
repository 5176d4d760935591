import numba as nb
import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.stats import chisquare

from training.sampling import (
    absent,
    choose,
    contains,
    make_choice,
    make_interactions,
    random_bits,
    sample_triplet_popularity,
    stream_key,
)

ITEMS = [4, 1, 2, 4, 3, 3, 4, 4, 2, 3]
USERS = [1, 1, 2, 2, 3, 3, 4, 4, 3, 3]


@nb.njit
def draws(choice, key, n):
    return np.array([choose(choice, random_bits(key, np.uint64(t))) for t in range(n)])


@pytest.mark.parametrize("kind", [list, np.array])
def test_triplets_follow_the_list_of_interactions(kind):
    items, users = kind(ITEMS), kind(USERS)
    sampled = [sample_triplet_popularity(items, users) for _ in range(20_000)]
    for column, listed in zip(zip(*sampled, strict=True), (USERS, ITEMS, ITEMS), strict=True):
        frequencies = np.bincount(column, minlength=5) / len(sampled)
        np.testing.assert_allclose(frequencies, np.bincount(listed, minlength=5) / len(listed), atol=0.02)
    pairs = set(zip(USERS, ITEMS, strict=True))
    assert {(user, positive) for user, positive, _ in sampled} == pairs


def test_triplet_keeps_large_ids():
    assert sample_triplet_popularity(np.array([2**64 - 1], np.uint64), ["a"]) == ("a", 2**64 - 1, 2**64 - 1)


@pytest.mark.parametrize(("items", "users"), [([], []), ([1, 2], [1]), ([[1]], [[1]])])
def test_triplet_refuses_what_is_no_list_of_interactions(items, users):
    with pytest.raises(ValueError, match="two vectors of the same length"):
        sample_triplet_popularity(items, users)


@pytest.mark.parametrize("weights", [[1, 1, 1, 1], [5, 0, 1, 2, 0.5], [0, 3, 0, 9], [1e-9, 1, 1e9, 1e9]])
def test_choice_follows_the_weights(weights):
    expected = np.array(weights) / sum(weights)
    counts = np.bincount(draws(make_choice(np.array(weights, float)), stream_key(0), 20_000), minlength=len(weights))
    assert not counts[expected == 0].any()
    likely = expected > 1e-6
    assert chisquare(counts[likely], counts.sum() * expected[likely] / expected[likely].sum()).pvalue > 1e-4


@pytest.mark.parametrize(("weights", "only"), [([7], 0), ([0, 3], 1), ([0, 0, 1e-30], 2)])
def test_only_choice(weights, only):
    assert set(draws(make_choice(np.array(weights, float)), stream_key(0), 1000)) == {only}


@pytest.mark.parametrize("n", [5, 1000])
def test_alias_table_holds_exactly_the_weights(n):
    weights = np.random.default_rng(n).pareto(1.0, n) * (np.arange(n) % 3 > 0)
    choice = make_choice(weights)
    own = choice.threshold / 2**32
    mass = np.bincount(np.arange(n), own, n) + np.bincount(choice.alias, 1 - own, n)
    np.testing.assert_allclose(mass / n, weights / weights.sum(), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("weights", [[], [0.0, 0.0], [1.0, -1.0, 5.0], [np.nan, 1.0], [np.inf, 1.0]])
def test_choice_refuses_impossible_weights(weights):
    with pytest.raises(ValueError, match="non-negative weights"):
        make_choice(np.array(weights))


def test_random_bits_depend_on_key_and_counter_and_fill_all_bits():
    bits = np.array([random_bits(stream_key(3), np.uint64(t)) for t in range(4000)], np.uint64)
    assert len(set(bits)) == 4000
    assert not set(bits) & {random_bits(stream_key(4), np.uint64(t)) for t in range(4000)}
    ones = np.unpackbits(bits.view(np.uint8).reshape(-1, 8), axis=1).mean(0)
    np.testing.assert_allclose(ones, 0.5, atol=0.04)


@pytest.mark.parametrize("row", [[], [0], [3], [0, 1, 2], [1, 4, 5, 9], [7, 8, 9], list(range(10))])
def test_positives_are_found_and_the_rest_enumerated(row):
    held = np.array(row, np.int32)
    others = [item for item in range(10) if item not in row]
    assert [item for item in range(10) if contains(held, item)] == row
    assert [absent(held, rank) for rank in range(len(others))] == others


def test_interactions_of_a_matrix_with_empty_rows_and_unsorted_duplicates():
    X = csr_array((np.ones(4, np.float32), [2, 0, 2, 1], [0, 0, 3, 3, 4]), shape=(4, 3))
    found = make_interactions(X)
    assert found.users.tolist() == [1, 1, 3]
    assert found.items.tolist() == [0, 2, 1]
    assert found.indptr.tolist() == [0, 0, 2, 2, 3]
    assert X.nnz == 4, "the caller's matrix stays as it was"


def test_no_interactions_is_an_error():
    with pytest.raises(ValueError, match="no interactions"):
        make_interactions(csr_array((3, 4), dtype=np.float32))
