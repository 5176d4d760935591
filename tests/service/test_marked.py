import numpy as np
import pytest

from service.marked import add_to_marked, marks_of, places_of


def draw(n, share):
    rng = np.random.default_rng(n)
    places = np.flatnonzero(rng.random(n) < share).astype(np.int32)
    return rng, places


@pytest.mark.parametrize("share", [0, 0.4, 1])
@pytest.mark.parametrize("n", [0, 1, 15, 16, 17, 100, 4096])
def test_marks_are_of_these_places(n, share):
    rng, places = draw(n, share)
    marks = marks_of(rng.permutation(places), n)
    assert [16 * block + bit for block, mark in enumerate(marks.tolist()) for bit in range(16) if mark >> bit & 1] == (
        places.tolist()
    )
    assert places_of(marks).tolist() == places.tolist()


@pytest.mark.parametrize("share", [0, 0.4, 1])
@pytest.mark.parametrize("n", [0, 1, 15, 16, 17, 100, 4096])
def test_values_are_added_where_there_are_marks(n, share):
    rng, places = draw(n, share)
    values, sums = rng.normal(size=len(places)).astype(np.float32), rng.normal(size=n).astype(np.float32)
    wanted = sums.copy()
    wanted[places] += values
    around = np.full(n + 32, 7, np.float32)  # nothing is written beside the sums
    around[16 : 16 + n] = sums
    add_to_marked(values, marks_of(places, n), around[16 : 16 + n])
    np.testing.assert_array_equal(around[16 : 16 + n], wanted)
    assert (np.delete(around, np.s_[16 : 16 + n]) == 7).all()
