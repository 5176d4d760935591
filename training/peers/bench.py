"""What all comparisons share: the data, the tuned parameters, and quality as the project defines it."""

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import scipy.sparse as sp

from service import registry
from service.release_manifest import POPULAR
from service.store import Store
from training.algorithms import make_config
from training.artifacts import Arrays, data_draft, embedding_arrays, model_draft, weight_arrays
from training.embeddings import Embeddings
from training.evaluation import Settings, evaluate
from training.events import read_events
from training.interactions import Interactions, build, filter_items, matrix
from training.pipeline import Log, Plan, say
from training.split import write_split

KS = (10, 50)
T = TypeVar("T")


class Bench:
    """One dataset: train part, test part, the plan's parameters."""

    def __init__(self, plan: Plan, log: Log, folder: Path, quick: bool) -> None:
        """Read the train part; `folder` is for files that are needed meanwhile."""
        self.plan, self.log, self.quick = plan, log, quick
        self._folder = folder
        self._store = Store(folder / "store")
        self._interactions = build(read_events(log.train))
        self._data = data_draft(self._interactions)
        self._versions = self._store.add([self._data])

    def config(self, algorithm: str, **changes: Any) -> Any:
        """Return the plan's parameters of an algorithm, its defaults if the plan has none, with changes."""
        values: Mapping[str, Any] = next((m.values for m in self.plan.models if m.algorithm == algorithm), {})
        return make_config(algorithm, {**values, **changes})

    def X(self, algorithm: str) -> sp.csr_array:  # noqa: N802
        """Return the matrix that the plan fits an algorithm on."""
        return matrix(self._own(algorithm), self.config(algorithm).weighting)

    def recall_of_embeddings(self, algorithm: str, model: Embeddings) -> dict[str, float]:
        """Evaluate vectors over the users and items of `X(algorithm)`, by an exact scan."""
        own = self._own(algorithm)
        # as ALS whatever they are: only the fold-in differs, which users of the train part do not need
        return self._recall("als", own, embedding_arrays(model, own.user_ids), make_config("als", {}))

    def recall_of_weights(self, algorithm: str, W: sp.csr_matrix) -> dict[str, float]:
        """Evaluate an item-item matrix over the items of `X(algorithm)`."""
        rows = sp.csr_array(W)
        rows.sort_indices()
        return self._recall("slim", self._own(algorithm), weight_arrays(rows), self.config(algorithm))

    @cached_property
    def validation(self) -> "Bench":
        """The train part, split again in the same way."""
        folder = self._folder / "validation"
        folder.mkdir()
        log = Log(self.log.train, folder / "train.parquet", folder / "test.parquet")
        write_split(self.plan.split_by, read_events(log.events), log.train, log.test)
        return Bench(self.plan, log, folder, self.quick)

    def choose(self, what: str, values: Mapping[str, T], quality: Callable[["Bench", T], Mapping[str, float]]) -> T:
        """Return the value with the best recall@10 + recall@50 on the validation part; the first if quick."""
        if self.quick:
            return next(iter(values.values()))
        scores = {name: sum(quality(self.validation, value).values()) for name, value in values.items()}
        best = max(scores, key=scores.__getitem__)
        say(f"  {what} on a validation part: " + ", ".join(f"{name} {score:.4f}" for name, score in scores.items()))
        return values[best]

    def _own(self, algorithm: str) -> Interactions:
        return filter_items(self._interactions, self.config(algorithm).min_item_users)

    def _recall(self, algorithm: str, own: Interactions, arrays: Arrays, config: Any) -> dict[str, float]:
        name = "judged"
        draft = model_draft(
            name,
            algorithm,
            own,
            arrays,
            config.model_dump(mode="json"),
            data_fingerprint=str(self._data.data_fingerprint),
            fit_seconds=0.0,
            metrics={},
            files={},
        )
        versions = {**self._versions, **self._store.add([draft])}
        artifacts = {key: self._store.artifact(key, version) for key, version in versions.items()}
        release = registry.build(self._store.draft_release(versions, POPULAR), artifacts)
        settings = Settings(KS, by=self.plan.unit, exclude_seen=self.plan.exclude_seen)
        found = evaluate(release, read_events(self.log.test), [name], settings)[name]
        return {f"recall@{k}": found[f"recall@{k}"] for k in KS}
