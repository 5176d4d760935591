"""A small synthetic log and models for tests of blending; made once for all of them."""

import functools
import tempfile
from pathlib import Path

from training import mixigen, ranker
from training.datasets import lavka
from training.datasets.synthetic import Plan, generate, world
from training.events import read_events
from training.fitting import Model
from training.output import write_events

PLAN = Plan(rows=40_000, seed=3, p_cart=0.5)
MODELS = [
    Model("popular", "popular", {}),
    Model("ease", "ease", {"lambd": 10.0, "weighting": "log"}),
    Model("personal_top", "personal_top", {}),
]
SMALL = mixigen.Config(iterations=20, max_requests=400, segment_trees=2, num_threads=1)
SMALL_RANKER = ranker.Config(iterations=20, max_requests=300, num_threads=1)


def write_log(path: Path) -> Path:
    """Write the log as canonical events."""
    write_events(lavka.canonical(generate(PLAN)), path)
    return path


@functools.cache
def log():
    """The events, lazily."""
    folder = tempfile.mkdtemp(prefix="candgen-test-")
    return read_events(write_log(Path(folder) / "events.parquet"))


def planted():
    """The world behind the log."""
    return world(PLAN)
