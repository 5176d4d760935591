"""What the sections of a report measure: a release fitted on the train part, and the log it was fitted on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from service import registry
from service.array_types import Floats, Ints, Longs
from service.ids import Id
from service.registry import Release
from service.store import Store
from training import metrics
from training.evaluation import Settings, TestSet, lists, make_test_set
from training.events import read_events
from training.fitting import Model, fit
from training.interactions import build
from training.pipeline import Log, Plan
from training.report.interval import mean_and_half
from training.report.kept import Kept

SEED = 0
EASE = "ease"
MOST_UNITS, QUICK_UNITS = 10_000, 1_500
"""At most so many requests (or users) are drawn of the test part; with `--quick`."""


@dataclass(frozen=True)
class Found:
    """Lists of one name for a test part, (n_lists, n) padded with −1, and where the positives are in them."""

    top: Ints
    positives: metrics.Positives
    rank: Longs
    user: Longs
    """(n_units,) whose request it was."""

    def recall(self, k: int) -> tuple[float, float]:
        """Return recall@k and half of its 95 % interval."""
        return mean_and_half(metrics.recall(self.rank, self.positives, k), self.user)


@dataclass(frozen=True)
class Bench:
    """One dataset, split, with all models of its plan fitted on the train part and published."""

    dataset: str
    plan: Plan
    log: Log
    store: Store
    versions: Mapping[str, str]
    kept: Kept
    quick: bool

    @cached_property
    def release(self) -> Release:
        """The release as it would be served."""
        return registry.load(self.store)

    @cached_property
    def dense_ease(self) -> Floats:
        """All weights of the release's EASE, (n, n): fitted anew where it is served in another form."""
        arrays = self.store.artifact(EASE, self.versions[EASE]).arrays
        if "weights" in arrays:
            return arrays["weights"]
        values = next(model.values for model in self.plan.models if model.name == EASE)
        model = Model(EASE, EASE, {**values, "serve_top_k": None, "serve_columns": None})
        *_, draft = fit(build(read_events(self.log.train)), [model])
        return draft.arrays["weights"]

    def test(self, exclude_seen: bool) -> TestSet:
        """Return what is to be found in the test part.

        Raises:
            DataError: nothing is left.
        """
        settings = Settings(by=self.plan.unit, exclude_seen=exclude_seen)
        test = make_test_set(self.release, read_events(self.log.test), settings)
        return _some(test, QUICK_UNITS if self.quick else MOST_UNITS)

    def find(self, name: str, test: TestSet, n: int, exclude_seen: bool, release: Release | None = None) -> Found:
        """Ask a generator, or a mix, for the lists of a test part."""
        top, of_unit = lists(release or self.release, name, test, n, exclude_seen)
        positives = replace(test.positives, list_of_unit=of_unit)
        return Found(top, positives, metrics.ranks(top, positives), test.positives.list_of_unit)

    def users(self, most: int) -> Sequence[Id]:
        """Draw users with a history, the same ones every time."""
        known = np.flatnonzero(np.diff(self.release.history.indptr))
        drawn = np.random.default_rng(SEED).permutation(known)[:most]
        return self.release.users.ids_of(drawn.astype(np.int32))


def _some(test: TestSet, most: int) -> TestSet:
    """Draw units of a test part."""
    n = test.positives.n_units
    if n <= most:
        return test
    chosen = np.sort(np.random.default_rng(SEED).permutation(n)[:most])
    new = np.full(n, -1)
    new[chosen] = np.arange(most)
    units = new[test.positives.unit]
    kept = units >= 0
    users, of_unit = np.unique(test.positives.list_of_unit[chosen], return_inverse=True)
    positives = metrics.Positives(units[kept], test.positives.item[kept], of_unit.astype(np.int64))
    return TestSet([test.users[row] for row in users], positives, [test.contexts[row] for row in chosen])
