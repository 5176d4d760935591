"""Where values reach a bar, against numpy."""

import numpy as np
import pytest

from service.reaching import LANES, reaching


@pytest.mark.parametrize("least", [-np.inf, 0.01, 0.5, 0.99, 2.0])
@pytest.mark.parametrize("n", [0, 1, LANES - 1, LANES, LANES + 1, 1000])
def test_reaching(n, least):
    values = np.random.default_rng(n).random(n).astype(np.float32)
    values[: n // 2] = values[n // 2 : n // 2 * 2]
    found = reaching(values, least)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, np.flatnonzero(values >= np.float32(least)))


def test_what_is_as_high_as_the_bar_reaches_it():
    values = np.array([0.1, -np.inf, 0.1, np.nan] * 5, np.float32)
    assert reaching(values, values[0]).tolist() == [place for place in range(20) if place % 2 == 0]
    assert reaching(values, np.float32(-np.inf)).tolist() == [place for place in range(20) if place % 4 < 3]
