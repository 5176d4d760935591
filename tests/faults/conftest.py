"""A service on a tiny store with a MixiGen, shared by the tests of one file."""

import numpy as np
import pytest

from tests.faults.server import serving
from tests.mixes import TRAINED, mix_store, random_trees, schema


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    of = schema((*TRAINED, "popular"), max_position=6)
    trees = random_trees(of, np.random.default_rng(0))
    return mix_store(tmp_path_factory.mktemp("store"), "int64", trees=trees, of=of)


@pytest.fixture(scope="module")
def server(store):
    with serving(store.root) as started:
        yield started
