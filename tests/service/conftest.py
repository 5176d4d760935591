"""Clients of apps on tiny stores, shared by the tests of one file."""

from collections.abc import Iterator

import pytest

from tests.service.client import Client, running
from tests.stores import tiny_store


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A release with uint64 ids above 2^63."""
    root = tmp_path_factory.mktemp("uint64")
    tiny_store(root, "uint64")
    with running(root) as started:
        yield started


@pytest.fixture(scope="module")
def string_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A release with string ids."""
    root = tmp_path_factory.mktemp("string")
    tiny_store(root, "string")
    with running(root) as started:
        yield started
