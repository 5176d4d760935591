"""A service on a tiny store, shared by the tests of one file."""

import pytest

from tests.faults.server import serving
from tests.stores import tiny_store


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tiny_store(tmp_path_factory.mktemp("store"), "int64")


@pytest.fixture(scope="module")
def server(store):
    with serving(store.root) as started:
        yield started
