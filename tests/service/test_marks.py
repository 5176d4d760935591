"""Where marks are true, against numpy."""

import numpy as np
import pytest

from service.marks import LANES, indices, marks


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99, 1.0])
@pytest.mark.parametrize("n", [0, 1, LANES - 1, LANES, LANES + 1, 1000])
def test_indices(n, share):
    rng = np.random.default_rng(n)
    made = marks(n)
    assert len(made) % LANES == 0
    assert not made[n:].any()
    made[:n] = rng.random(n) < share
    found = indices(made)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, np.flatnonzero(made))
