import numpy as np
import pytest

from training.quotas import search, simplex


def test_the_simplex_has_every_way_once():
    found = simplex(3, 2) * 2
    assert sorted(map(tuple, found.astype(int).tolist())) == [
        (0, 0, 2), (0, 1, 1), (0, 2, 0), (1, 0, 1), (1, 1, 0), (2, 0, 0),
    ]  # fmt: skip
    np.testing.assert_allclose(simplex(7, 5).sum(axis=1), 1)
    assert simplex(1, 5).tolist() == [[1.0]]


@pytest.mark.parametrize("goal", [[0.35, 0.6, 0.05], [0, 0, 1], [0.25, 0.5, 0.25]])
def test_search_finds_the_nearest_twentieth(goal):
    shares, value = search(lambda shares: -np.abs(shares - goal).sum(), 3)
    np.testing.assert_allclose(shares, goal, atol=1e-9)
    assert value == pytest.approx(0, abs=1e-9)
