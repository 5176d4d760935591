"""What the sections of a report measure: a release fitted on the train part, and the log it was fitted on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from service import registry
from service.ids import Id
from service.registry import Release
from service.store import Store
from training.evaluation import Settings, TestSet, make_test_set
from training.events import read_events
from training.pipeline import Log, Plan

SEED = 0


@dataclass(frozen=True)
class Bench:
    """One dataset, split, with all models of its plan fitted on the train part and published."""

    dataset: str
    plan: Plan
    log: Log
    store: Store
    versions: Mapping[str, str]
    quick: bool

    @cached_property
    def release(self) -> Release:
        """The release as it would be served."""
        return registry.load(self.store)

    def test(self, exclude_seen: bool) -> TestSet:
        """Return what is to be found in the test part.

        Raises:
            DataError: nothing is left.
        """
        settings = Settings(by=self.plan.unit, exclude_seen=exclude_seen)
        return make_test_set(self.release, read_events(self.log.test), settings)

    def users(self, most: int) -> Sequence[Id]:
        """Draw users with a history, the same ones every time."""
        known = np.flatnonzero(np.diff(self.release.history.indptr))
        drawn = np.random.default_rng(SEED).permutation(known)[:most]
        return self.release.users.ids_of(drawn.astype(np.int32))
