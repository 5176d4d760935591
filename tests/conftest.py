"""Options and environment of the whole suite."""

import os
from pathlib import Path

import pytest

from service import kernel_cache

# said once and for all: numba reads it anew at every compilation, and its threads cannot become more later
os.environ["NUMBA_NUM_THREADS"] = str(len(os.sched_getaffinity(0)))

kernel_cache.forget_stale(*(Path(__file__).parents[1] / package for package in ("service", "training", "tests")))


def pytest_addoption(parser):
    parser.addoption("--run-slow", action="store_true", help="also run the long forms of tests")
    parser.addoption(
        "--full-faults",
        action="store_true",
        default=os.environ.get("CANDGEN_FAULTS") == "full",
        help="full counts in tests/faults (or CANDGEN_FAULTS=full); `make faults`",
    )
    parser.addoption(
        "--fault-share",
        type=float,
        default=1.0,
        help="with --full-faults: this share of the full counts, as 0.1 (at least the short form's)",
    )


@pytest.fixture(scope="session")
def full_faults(request):
    """Whether tests/faults run their full counts instead of the short form."""
    return request.config.getoption("--full-faults")


@pytest.fixture(scope="session")
def counts(request, full_faults):
    """Return how many of something a fault test does: `counts(short form, full form)`."""
    share = request.config.getoption("--fault-share")
    return lambda short, full: max(short, round(full * share)) if full_faults else short


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--run-slow"):
        slow = [item for item in items if item.get_closest_marker("slow")]
        config.hook.pytest_deselected(items=slow)
        items[:] = [
            item for item in items if not item.get_closest_marker("slow")
        ]  # a keyword may be a test's parameter


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch):
    """A developer's CANDGEN_* variables must not change what is tested."""
    for name in os.environ:
        if name.startswith("CANDGEN_"):
            monkeypatch.delenv(name)
