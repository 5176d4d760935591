"""MixiGen's model: an ensemble of oblivious trees, evaluated for all positions of a generator at once.

The score is what the place is worth to requests like this one (`mix_segments`) plus what the trees make of it.

An oblivious tree asks the same question (feature > border?) at every node of a level, so it is a table of
2^depth values and its answers are the bits of the index. The rows of one request differ only in generator
and position: the bits of the request are found once, those of generators and positions when it is loaded.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from pydantic import ValidationError

from service.array_types import Bools, Doubles, Floats, Ints
from service.artifact import Artifact
from service.cg.arrays import array
from service.errors import ArtifactError
from service.mix_features import REQUEST_FEATURES, MixSchema, cg_rows, feature_names, own_columns
from service.mix_habits import Habits
from service.mix_segments import Segments, values_of

MAX_DEPTH = 16
NO_SPLIT = -1
"""The feature of a level that a tree does not have."""


class Trees(NamedTuple):
    """Oblivious trees as arrays; value of a row = scale · Σ over trees + bias."""

    split_feature: Ints
    """(n_trees, depth) the column compared on each level, NO_SPLIT where the tree is shallower."""
    split_border: Floats
    """(n_trees, depth); the bit is set where the value is above the border, never for NaN."""
    leaf_values: Doubles
    """(n_trees, 2^depth), the first level is the lowest bit of the index."""
    scale_and_bias: Doubles
    """(2,)."""


@njit(nogil=True, cache=True)
def _bits(values: Floats, first: int, split_feature: Ints, split_border: Floats, tree: int) -> int:
    """Return the bits that a tree's levels on columns first, first + 1, … have for these values."""
    bits = 0
    for level in range(split_feature.shape[1]):
        column = split_feature[tree, level] - first
        if 0 <= column < len(values) and values[column] > split_border[tree, level]:
            bits |= 1 << level
    return bits


@njit(nogil=True, cache=True)
def _predict(X: Floats, split_feature: Ints, split_border: Floats, leaf_values: Doubles) -> Doubles:
    sums = np.zeros(len(X))
    for row in range(len(X)):
        for tree in range(len(split_feature)):
            sums[row] += leaf_values[tree, _bits(X[row], 0, split_feature, split_border, tree)]
    return sums


@njit(nogil=True, cache=True)
def _static_bits(cg_rows: Floats, first: int, split_feature: Ints, split_border: Floats) -> Ints:
    """Return (n_trees, n_cgs): the bits that each generator sets whatever the request."""
    bits = np.zeros((len(split_feature), len(cg_rows)), np.int32)
    for tree in range(len(split_feature)):
        for cg in range(len(cg_rows)):
            bits[tree, cg] = _bits(cg_rows[cg], first, split_feature, split_border, tree)
    return bits


@njit(nogil=True, cache=True)
def _curves(
    request: Floats,
    own: Floats,
    cgs: Ints,
    split_feature: Ints,
    split_border: Floats,
    leaf_values: Doubles,
    static: Ints,
    asks_own: Bools,
    steps: Ints,
    step_of_tree: Ints,
    scale_and_bias: Doubles,
    base: Doubles,
) -> Doubles:
    """Return (n, positions): add up by how much every tree steps up or down, then sum along positions.

    own (n, …): `own_columns`; base (n_cgs, positions) of all generators is what the trees correct;
    steps (n_steps, 2): position (from 0) and the bits from there on; those of tree t begin at step_of_tree[t].
    If no tree rises with the position, neither does the sum: adding numbers ≤ 0 never rounds upwards.
    """
    curves = np.zeros((len(cgs), base.shape[1]))
    first_own = len(request) + static.shape[1] + 1
    for tree in range(len(split_feature)):
        of_request = 0
        for level in range(split_feature.shape[1]):  # not _bits: a call costs more than what it does here
            column = split_feature[tree, level]
            if 0 <= column < len(request) and request[column] > split_border[tree, level]:
                of_request |= 1 << level
        for row in range(len(cgs)):
            index = of_request | static[tree, cgs[row]]
            if asks_own[tree]:
                for level in range(split_feature.shape[1]):
                    column = split_feature[tree, level] - first_own
                    if 0 <= column < own.shape[1] and own[row, column] > split_border[tree, level]:
                        index |= 1 << level
            before = 0.0
            for step in range(step_of_tree[tree], step_of_tree[tree + 1]):
                value = leaf_values[tree, index | steps[step, 1]]
                curves[row, steps[step, 0]] += value - before
                before = value
    for row in range(len(cgs)):
        total = 0.0
        for position in range(curves.shape[1]):
            total += curves[row, position]
            curves[row, position] = total * scale_and_bias[0] + scale_and_bias[1] + base[cgs[row], position]
    return curves


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
        first = len(REQUEST_FEATURES)
        self._static = _static_bits(cg_rows(schema), first, trees.split_feature, trees.split_border)
        own = np.arange(first + len(schema.cgs) + 1, len(feature_names(schema)) - 1)
        self._asks_own: Bools = np.asarray(np.isin(trees.split_feature, own).any(axis=1))
        self._steps, self._step_of_tree = _position_steps(trees, len(feature_names(schema)) - 1, schema.max_position)

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
        rows = np.array([self._row[name] for name in cgs], np.int32)
        feature, border, leaves, scale_and_bias = self.trees
        of_model = (feature, border, leaves, self._static, self._asks_own, self._steps, self._step_of_tree)
        base = self.segments.of(values_of(request, habits, self.schema))
        own = own_columns(lengths, None if habits is None else habits[rows], self.schema)
        curves: Doubles = _curves(request, own, rows, *of_model, scale_and_bias, base)
        return curves

    def predict(self, X: Floats) -> Doubles:
        """Return what the trees make of rows (n, n_features) float32, without the segments: the slow, general way."""
        feature, border, leaves, (scale, bias) = self.trees
        sums: Doubles = _predict(np.ascontiguousarray(X, np.float32), feature, border, leaves)
        sums *= scale
        sums += bias
        return sums

    def warm_up(self) -> None:
        """Compile."""
        n = len(self.schema.cgs)
        self.curves(np.zeros(len(REQUEST_FEATURES), np.float32), self.schema.cgs, np.zeros(n, np.float32))


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


def _position_steps(trees: Trees, column: int, depth: int) -> tuple[Ints, Ints]:
    """Return where the bits of the position change, for each tree in turn; see `_curves`."""
    steps: list[tuple[int, int]] = []
    starts = [0]
    positions = np.arange(1, depth + 1, dtype=np.float32)
    for feature, border in zip(trees.split_feature, trees.split_border, strict=True):
        above = (positions[:, None] > border) & (feature == column)
        bits = above @ (1 << np.arange(len(feature)))
        changes = [0, *(np.flatnonzero(np.diff(bits)) + 1).tolist()]
        steps += [(position, int(bits[position])) for position in changes]
        starts.append(len(steps))
    return np.array(steps, np.int32).reshape(-1, 2), np.array(starts, np.int32)


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
