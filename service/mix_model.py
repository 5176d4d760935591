"""MixiGen's model: an ensemble of oblivious trees, evaluated for all positions of a generator at once.

The score is what the place is worth to requests like this one (`mix_segments`) plus what the trees make of it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import ValidationError

from service.array_types import Doubles, Floats
from service.artifact import Artifact
from service.cg.arrays import array
from service.errors import ArtifactError
from service.mix_features import REQUEST_FEATURES, MixSchema, cg_rows, feature_names
from service.mix_habits import Habits
from service.mix_segments import Segments
from service.mix_trees import NO_SPLIT, Steps, Trees, curves_of_each, predict

MAX_DEPTH = 16


class MixModel:
    """Scores (user, context, generator, position); immutable, may be asked from several threads."""

    def __init__(
        self, trees: Trees, schema: MixSchema, segments: Segments | None = None, habits: Habits | None = None
    ) -> None:
        """Take trees over the columns of `feature_names(schema)`.

        segments: what the trees correct; none: 0.

        Raises:
            ValueError: the arrays do not fit together, or a tree asks for a column that is not there.
        """
        _check(trees, len(feature_names(schema)))
        self.trees, self.schema, self.habits = trees, schema, habits
        if segments is None:
            segments = Segments.fixed(np.zeros((2, len(schema.cgs), schema.max_position)))
        segments.check(schema)
        self.segments = segments
        if habits is not None:
            habits.check(len(schema.cgs))
        self._row = {name: row for row, name in enumerate(schema.cgs)}
        self._all = np.arange(len(schema.cgs), dtype=np.int32)
        position = len(feature_names(schema)) - 1
        asked = (trees.split_feature != NO_SPLIT) & (trees.split_feature != position)
        columns, borders = np.where(asked, trees.split_feature, 0), np.where(asked, trees.split_border, np.inf)
        self._of_trees: Any = (
            cg_rows(schema),
            columns.astype(np.int32),
            borders.astype(np.float32),
            trees.leaf_values,
            *Steps.of(trees, position, schema.max_position),
            trees.scale_and_bias,
            *segments,
        )

    @classmethod
    def from_artifact(cls, artifact: Artifact) -> "MixModel":
        """Read an artifact of the algorithm mixigen; its config holds the schema under `schema`."""
        name = artifact.manifest.name
        trees = Trees(*(array(artifact, field) for field in Trees._fields))
        try:
            schema = read_schema(artifact.manifest.config)
            habits = Habits.from_artifact(artifact) if schema.habits else None
            return cls(trees, schema, Segments.from_artifact(artifact, schema), habits)
        except ValueError as error:
            raise ArtifactError(f"{name}: {error}; train it again") from error

    def curves(self, request: Floats, cgs: Sequence[str], lengths: Floats, habits: Floats | None = None) -> Doubles:
        """Return the score of each generator at positions 1…max_position, (n, max_position).

        request: `request_features`; cgs: some of schema.cgs, in any order; lengths: their `list_lengths`;
        habits: those of all schema.cgs, None for a user of whom nothing is known.
        """
        own = None if habits is None else np.array(habits)[None]
        curves: Doubles = self.curves_of_each(request[None], cgs, np.asarray(lengths, np.float32)[None], own)[0]
        return curves

    def curves_of_each(
        self, requests: Floats, cgs: Sequence[str], lengths: Floats, habits: Floats | None = None
    ) -> Doubles:
        """Return those of several requests, (b, n, max_position); the arguments likewise with a row for each."""
        rows = self._all if (*cgs,) == self.schema.cgs else np.array([self._row[name] for name in cgs], np.int32)
        if habits is None:
            habits = np.zeros((len(requests), len(self.schema.cgs), len(self.schema.habits)), np.float32)
        curves: Doubles = curves_of_each(requests, lengths, habits, rows, *self._of_trees)
        return curves

    def predict(self, X: Floats) -> Doubles:
        """Return what the trees make of rows (n, n_features) float32, without the segments: the slow, general way."""
        feature, border, leaves, (scale, bias) = self.trees
        sums: Doubles = predict(np.ascontiguousarray(X, np.float32), feature, border, leaves)
        sums *= scale
        sums += bias
        return sums

    def warm_up(self) -> None:
        """Compile."""
        lengths = np.zeros(len(self.schema.cgs), np.float32)
        self.curves(np.zeros(len(REQUEST_FEATURES), np.float32), self.schema.cgs, lengths)


def read_schema(config: Any) -> MixSchema:
    """Read the schema in the config of a manifest.

    Raises:
        ValueError: there is none, or it is not valid.
    """
    try:
        return MixSchema.model_validate(config.get("schema"))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(("schema", *(str(part) for part in first["loc"])))
        raise ValueError(f"config: {where}: {first['msg']}") from error


def _check(trees: Trees, n_features: int) -> None:
    feature, border, leaves, scale_and_bias = trees
    dtypes = [str(values.dtype) for values in (feature, border, leaves, scale_and_bias)]
    if dtypes != ["int32", "float32", "float64", "float64"]:
        raise ValueError(f"the trees are {', '.join(dtypes)}; wanted int32, float32, float64, float64")
    if feature.ndim != 2 or feature.shape[1] > MAX_DEPTH or border.shape != feature.shape:
        raise ValueError(f"splits are {feature.shape} and {border.shape}; wanted both (trees, up to {MAX_DEPTH})")
    if leaves.shape != (len(feature), 1 << feature.shape[1]) or scale_and_bias.shape != (2,):
        raise ValueError(f"leaf_values are {leaves.shape} for splits {feature.shape}; wanted (trees, 2^depth)")
    if feature.size and not NO_SPLIT <= feature.min() <= feature.max() < n_features:
        raise ValueError(f"a tree asks for column {feature.max()} of {n_features}; its generators are others")
