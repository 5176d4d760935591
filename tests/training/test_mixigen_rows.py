import numpy as np
import pytest

from service.mix_features import REQUEST_FEATURES, feature_names, rows
from tests.mixes import schema
from training.mixigen_logged import Seen
from training.mixigen_rows import join, make_table, stretches


@pytest.mark.parametrize("depth", [1, 2, 7, 40, 100])
def test_stretches_cover_every_position_once_and_grow(depth):
    starts = stretches(depth)
    assert (starts[0], starts[-1]) == (0, depth)
    widths = np.diff(starts)
    assert (widths > 0).all()
    assert (np.diff(widths[:-1]) >= 0).all()
    assert len(starts) <= 20


def test_rows_are_those_that_are_scored_with_means_of_new_places():
    of = schema(("slim", "ease"), max_position=8)  # stretches 1, 2, 3, 4, 5, 6, 7-8 of positions from 1
    rng = np.random.default_rng(0)
    seen = Seen(rng.random((2, len(REQUEST_FEATURES)), np.float32), np.float32([[7, 3], [5, 0]]))
    value = rng.random((2, 2, 8), np.float32)
    new = np.ones((2, 2, 8), bool)
    new[0, 1, 3:] = False
    new[1, 0, 6] = False
    new[1, 1] = False
    base = rng.random((2, 2, 8))
    table = make_table(seen, value, new, base, of)
    first = table.where((table.request == 0) & (table.X[:, list(feature_names(of)).index("cg=slim")] == 1))
    np.testing.assert_array_equal(first.X[0], rows(seen.features[0], of, seen.lengths[0])[0])
    assert first.weight.tolist() == [1, 1, 1, 1, 1, 1, 2]
    assert first.X[:, -1].tolist() == [1, 2, 3, 4, 5, 6, 7.5]
    assert first.label[-1] == pytest.approx(value[0, 0, 6:].mean())
    assert first.baseline[-1] == pytest.approx(base[0, 0, 6:].mean())
    assert (table.request == 0).sum() == 7 + 3
    last = table.where(table.request == 1)
    assert len(last.X) == 7
    assert (last.weight[-1], last.label[-1]) == (1, pytest.approx(value[1, 0, 7]))
    both = join([table, table])
    assert both.request.tolist() == [*table.request, *(table.request + 2)]
