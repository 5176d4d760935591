"""Trees asked for all positions of several generators at once, against each row asked for itself."""

import numpy as np
import pytest

from service.mix_features import REQUEST_FEATURES, feature_names, rows
from service.mix_model import MixModel
from service.mix_trees import NO_SPLIT, Trees
from tests.mixes import schema


def drawn(of, rng, n_trees=30, depth=4):
    """Trees that ask for anything on any level, some for nothing, some for positions that all or none have reached."""
    width = len(feature_names(of))
    feature = rng.integers(NO_SPLIT, width, (n_trees, depth)).astype(np.int32)
    feature[::2, 1] = width - 1
    border = rng.normal(0.5, 1, (n_trees, depth)).astype(np.float32)
    at = feature == width - 1
    border[at] = rng.integers(-1, of.max_position + 2, at.sum()) + 0.5
    return Trees(feature, border, rng.normal(size=(n_trees, 1 << depth)), np.array([0.5, 0.25]))


@pytest.mark.parametrize("n_cgs", [1, 7, 8, 9, 20])
def test_curves_are_the_prediction_of_every_row(n_cgs):
    rng = np.random.default_rng(n_cgs)
    of = schema(tuple(f"cg{row:02}" for row in range(n_cgs)), max_position=9, habits=("liked", "bought"))
    model = MixModel(drawn(of, rng), of)
    for case in range(10):
        request = rng.normal(size=len(REQUEST_FEATURES)).astype(np.float32)
        request[case] = np.nan
        lengths, habits = rng.random(n_cgs).astype(np.float32), rng.normal(size=(n_cgs, 2)).astype(np.float32)
        wanted = model.predict(rows(request, of, lengths, habits)).reshape(n_cgs, -1)
        np.testing.assert_allclose(model.curves(request, of.cgs, lengths, habits), wanted, atol=1e-9)
        some = rng.permutation(n_cgs)[: 1 + n_cgs // 2]
        found = model.curves(request, [of.cgs[row] for row in some], lengths[some], habits)
        np.testing.assert_allclose(found, wanted[some], atol=1e-9)
