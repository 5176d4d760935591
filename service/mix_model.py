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

from service.array_types import Doubles, Floats, Ints
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
def _predict(X: Floats, split_feature: Ints, split_border: Floats, leaf_values: Doubles) -> Doubles:
    sums = np.zeros(len(X))
    for row in range(len(X)):
        for tree in range(len(split_feature)):
            index = 0
            for level in range(split_feature.shape[1]):
                column = split_feature[tree, level]
                if column != NO_SPLIT and X[row, column] > split_border[tree, level]:
                    index |= 1 << level
            sums[row] += leaf_values[tree, index]
    return sums


class Splits(NamedTuple):
    """All questions that the trees ask of some columns."""

    tree: Ints
    bit: Ints
    """What it sets in the tree's index if the value is above the border."""
    column: Ints
    """From the first of these columns."""
    border: Floats

    @classmethod
    def of(cls, trees: Trees, first: int, stop: int) -> "Splits":
        """Return the questions for the columns first … stop − 1."""
        tree, level = np.nonzero((trees.split_feature >= first) & (trees.split_feature < stop))
        column, border = trees.split_feature[tree, level] - first, trees.split_border[tree, level]
        return cls(tree.astype(np.int32), (1 << level).astype(np.int32), column.astype(np.int32), border)


@njit(nogil=True, cache=True)
def _answers(values: Floats, tree: Ints, bit: Ints, column: Ints, border: Floats, bits: Ints) -> None:
    """Set the bits (n_trees,) of the questions that the values answer with yes; NaN: with no."""
    for split in range(len(tree)):
        bits[tree[split]] |= bit[split] if values[column[split]] > border[split] else 0


@njit(nogil=True, cache=True)
def _curves(
    request: Floats,
    request_tree: Ints,
    request_bit: Ints,
    request_column: Ints,
    request_border: Floats,
    own: Floats,
    own_tree: Ints,
    own_bit: Ints,
    own_column: Ints,
    own_border: Floats,
    cgs: Ints,
    static: Ints,
    leaf_values: Doubles,
    steps: Ints,
    step_of_tree: Ints,
    scale_and_bias: Doubles,
    base: Doubles,
) -> Doubles:
    """Return (n, positions): add up by how much every tree steps up or down, then sum along positions.

    request_…, own_…: Splits of the request's features and of own (n, …), `own_columns`; base (n_cgs, positions) of all
    generators is what the trees correct; steps (n_steps, 2): position (from 0) and the bits from there on; those of
    tree t begin at step_of_tree[t]. If no tree rises with the position, neither does the sum: adding numbers ≤ 0 never
    rounds upwards.
    """
    curves, n_trees = np.zeros((len(cgs), base.shape[1])), len(leaf_values)
    of_request = np.zeros(n_trees, np.int32)
    _answers(request, request_tree, request_bit, request_column, request_border, of_request)
    for row in range(len(cgs)):
        index = of_request | static[cgs[row]]
        _answers(own[row], own_tree, own_bit, own_column, own_border, index)
        curve = curves[row]
        for tree in range(n_trees):
            leaves, before = leaf_values[tree], 0.0
            for step in range(step_of_tree[tree], step_of_tree[tree + 1]):
                value = leaves[index[tree] | steps[step, 1]]
                curve[steps[step, 0]] += value - before
                before = value
        total = 0.0
        for position in range(len(curve)):
            total += curve[position]
            curve[position] = total * scale_and_bias[0] + scale_and_bias[1] + base[cgs[row], position]
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
        first, n_columns = len(REQUEST_FEATURES), len(feature_names(schema))
        own = first + len(schema.cgs) + 1
        self._of_request, of_cg = Splits.of(trees, 0, first), Splits.of(trees, first, own)
        self._of_own = Splits.of(trees, own, n_columns - 1)
        self._static = np.zeros((len(schema.cgs), len(trees.split_feature)), np.int32)
        """(n_cgs, n_trees): the bits that each generator sets whatever the request."""
        for bits, columns in zip(self._static, cg_rows(schema), strict=True):
            _answers(columns, *of_cg, bits)
        self._steps, self._step_of_tree = _position_steps(trees, n_columns - 1, schema.max_position)

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
        base = self.segments.of(values_of(request, habits, self.schema))
        own = own_columns(lengths, None if habits is None else habits[rows], self.schema)
        _, _, leaves, scale_and_bias = self.trees
        of_model: Any = rows, self._static, leaves, self._steps, self._step_of_tree, scale_and_bias, base
        curves: Doubles = _curves(request, *self._of_request, own, *self._of_own, *of_model)
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
