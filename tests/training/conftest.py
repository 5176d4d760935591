"""Fixtures that several modules share."""

import pytest

from tests.training import blending
from training import mixigen_stage


@pytest.fixture(scope="session")
def stage():
    """Generators, ranker and time line of a small synthetic log."""
    with mixigen_stage.make_stage(blending.log(), blending.MODELS, blending.SMALL_RANKER, test=True) as made:
        yield made


@pytest.fixture(scope="session")
def candidate_log(stage):
    """The candidate log, seen items allowed and excluded."""
    return mixigen_stage.make_log(stage, blending.SMALL)


@pytest.fixture(scope="session")
def blend(stage, candidate_log):
    """A blender trained on it."""
    return mixigen_stage.train_on(stage, candidate_log, blending.SMALL)
