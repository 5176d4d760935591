"""What a model makes of a history, against numpy."""

import numpy as np
import pytest

from service import history_kernels
from service.cg.base import ItemMap
from service.history import History
from service.history_kernels import WEIGHTINGS

TWINS = {
    "binary": lambda counts: np.ones(len(counts), np.float32),
    "count": lambda counts: counts.astype(np.float32),
    "log": lambda counts: np.log2(1.0 + counts).astype(np.float32),
}
COUNTS = np.array([*range(1, 1100), 5000, 10**6, 2**31 - 1], np.int32)


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_weights(weighting):
    weights = history_kernels.weigh(COUNTS, WEIGHTINGS[weighting])
    assert weights.dtype == np.float32
    assert weights.tolist() == TWINS[weighting](COUNTS).tolist()
    assert len(history_kernels.weigh(COUNTS[:0], WEIGHTINGS[weighting])) == 0


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("read_only", [False, True])
def test_only_what_the_model_knows(weighting, read_only):
    items = np.arange(0, 60, 2, dtype=np.int32)
    counts = np.resize(COUNTS, 30)
    items.flags.writeable = counts.flags.writeable = not read_only
    history = History(items, counts, np.zeros(30, np.int64))
    for to_release in (None, np.arange(0, 60, 3, dtype=np.int32), np.arange(1, 60, 2, dtype=np.int32)):
        item_map = ItemMap(to_release, 60)
        own, weights = item_map.model_history(history, weighting)
        known = np.isin(items, np.arange(60) if to_release is None else to_release)
        assert item_map.release_items(own).tolist() == items[known].tolist()
        assert own.tolist() == item_map.model_items(items).tolist()
        assert weights.tolist() == TWINS[weighting](counts[known]).tolist()


def test_warm_up_runs():
    history_kernels.warm_up()
