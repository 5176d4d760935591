"""MixiGen's model: an ensemble of oblivious trees, evaluated for all positions of a generator at once.

The score is what the place is worth to requests like this one (`mix_segments`) plus what the trees make of it.

An oblivious tree asks the same question (feature > border?) at every node of a level, so it is a table of
2^depth values and its answers are the bits of the index. The rows of one request differ only in generator
and position: generators are looked at side by side, and where the position changes a tree's answer is known
when it is loaded.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray
from pydantic import ValidationError

from service.array_types import Doubles, Floats, Ints
from service.artifact import Artifact
from service.cg.arrays import array
from service.errors import ArtifactError
from service.mix_features import REQUEST_FEATURES, MixSchema, cg_rows, feature_names
from service.mix_habits import Habits
from service.mix_segments import Segments, mean_curves
from service.vector_code import Code, operation, vector

MAX_DEPTH = 16
NO_SPLIT = -1
"""The feature of a level that a tree does not have."""
LANES = 8
"""Generators that are scored together."""


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


class Steps(NamedTuple):
    """Where the position changes what a tree answers: the same for every request and generator."""

    tree: Ints
    position: Ints
    """From 0: from there on."""
    before: Ints
    """The bits that it has set up to there."""
    after: Ints

    @classmethod
    def of(cls, trees: Trees, column: int, depth: int) -> "Steps":
        """Return them for positions 1 … depth, which are asked for as this column."""
        found: list[tuple[int, int, int, int]] = []
        positions = np.arange(1, depth + 1, dtype=np.float32)
        for tree, (feature, border) in enumerate(zip(trees.split_feature, trees.split_border, strict=True)):
            above = (positions[:, None] > border) & (feature == column)
            bits = [0, *(above @ (1 << np.arange(len(feature)))).tolist()]
            found += [(tree, place, *bits[place : place + 2]) for place in np.flatnonzero(np.diff(bits)).tolist()]
        return cls(*np.ascontiguousarray(np.array(found, np.int32).reshape(-1, 4).T))


@intrinsic
def _put_leaves(_: Any, X: Any, columns: Any, borders: Any, first: Any, levels: Any, index: Any, place: Any) -> Any:
    """Set index[place : place + LANES] to the bits of the questions first … first + levels − 1, one of each column.

    X: float32, LANES of each feature; columns, borders: int32 and float32; index: uint32; all one-dimensional. Nothing
    is checked.
    """

    def write(code: Code) -> None:
        builder, (_, _, _, first, levels, _, place) = code.builder, code.arguments
        word, whole, floats = vector(LANES, 32), ir.IntType(32), ir.VectorType(ir.FloatType(), LANES)
        bits = code.variable(ir.Constant(word, [0] * LANES))
        with code.loop(levels) as level:
            question = builder.add(first, level)
            column = builder.zext(code.load(1, question, whole), question.type)
            values = code.load(0, builder.mul(column, column.type(LANES)), floats)
            above = builder.fcmp_ordered(">", values, code.splat(code.load(2, question, ir.FloatType()), LANES))
            bit = builder.shl(builder.zext(above, word), code.splat(builder.trunc(level, whole), LANES))
            builder.store(builder.or_(builder.load(bits), bit), bits)
        code.store(builder.load(bits), 5, place)

    whole = types.intp
    return operation(types.void(X, columns, borders, whole, whole, index, whole), write)


@njit(nogil=True, cache=True)
def _leaves(X: Floats, columns: Ints, borders: Floats) -> NDArray[np.uint32]:
    """Return the index (n_trees, LANES) of each tree for the columns of X (n_features, LANES); NaN: not above."""
    n_trees, levels = columns.shape
    index, flat = np.empty((n_trees, LANES), np.uint32), (X.reshape(X.size), columns.reshape(columns.size))
    rest, found = borders.reshape(borders.size), index.reshape(index.size)
    for tree in range(n_trees):
        _put_leaves(*flat, rest, tree * levels, levels, found, tree * LANES)  # type: ignore[call-arg]
    return index


@njit(nogil=True, cache=True)
def _rises(
    index: NDArray[np.uint32], leaf_values: Doubles, tree: Ints, position: Ints, before: Ints, after: Ints, depth: int
) -> Doubles:
    """Return by how much the trees rise at each position (depth, LANES); tree, …: Steps."""
    rises = np.zeros((depth, LANES))
    first = rises[0]
    for t in range(len(leaf_values)):
        values, own = leaf_values[t], index[t]
        for lane in range(LANES):
            first[lane] += values[own[lane]]
    for step in range(len(tree)):
        values, own, rise = leaf_values[tree[step]], index[tree[step]], rises[position[step]]
        low, high = np.uint32(before[step]), np.uint32(after[step])
        for lane in range(LANES):
            rise[lane] += values[own[lane] | high] - values[own[lane] | low]
    return rises


@njit(nogil=True, cache=True)
def _curves(
    request: Floats,
    lengths: Floats,
    habits: Floats,
    cgs: Ints,
    of_cgs: Floats,
    columns: Ints,
    borders: Floats,
    leaf_values: Doubles,
    tree: Ints,
    rise_at: Ints,
    before: Ints,
    after: Ints,
    scale_and_bias: Doubles,
    segment_feature: Ints,
    segment_border: Doubles,
    segment_children: Ints,
    segment_curves: Floats,
) -> Doubles:
    """Return (n, positions): what the segments say and, along positions, the sum of the trees' steps up and down.

    cgs (n,): rows of of_cgs and habits; of_cgs (n_cgs, …): `cg_rows`; columns, borders (n_trees, depth): what a tree
    asks, never true where it asks for the position, which tree, … (Steps) tell. If no tree rises with the position,
    neither does the sum: adding numbers ≤ 0 never rounds upwards.
    """
    n_request, n_cgs, n_own, n_habits = len(request), len(of_cgs), of_cgs.shape[1], habits.shape[1]
    values = np.empty(n_request + n_cgs * n_habits, np.float32)
    values[:n_request] = request
    values[n_request:] = habits.reshape(habits.size)
    start = mean_curves(values, segment_feature, segment_border, segment_children, segment_curves)
    curves, X = np.empty((len(cgs), start.shape[1])), np.empty((n_request + n_own + 1 + n_habits, LANES), np.float32)
    for first in range(0, len(cgs), LANES):
        lanes = min(LANES, len(cgs) - first)
        for lane in range(LANES):
            place = min(first + lane, len(cgs) - 1)  # the last comes again
            cg = cgs[place]
            for column in range(n_request):
                X[column, lane] = request[column]
            for column in range(n_own):
                X[n_request + column, lane] = of_cgs[cg, column]
            X[n_request + n_own, lane] = lengths[place]
            for column in range(n_habits):
                X[n_request + n_own + 1 + column, lane] = habits[cg, column]
        rises = _rises(_leaves(X, columns, borders), leaf_values, tree, rise_at, before, after, start.shape[1])
        for lane in range(lanes):
            curve, own, total = curves[first + lane], start[cgs[first + lane]], 0.0
            for position in range(len(curve)):
                total += rises[position, lane]
                curve[position] = total * scale_and_bias[0] + scale_and_bias[1] + own[position]
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
        self._all = np.arange(len(schema.cgs), dtype=np.int32)
        self._nobody = np.zeros((len(schema.cgs), len(schema.habits)), np.float32)
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
        rows = self._all if (*cgs,) == self.schema.cgs else np.array([self._row[name] for name in cgs], np.int32)
        curves: Doubles = _curves(request, lengths, self._nobody if habits is None else habits, rows, *self._of_trees)
        return curves

    def predict(self, X: Floats) -> Doubles:
        """Return what the trees make of rows (n, n_features) float32, without the segments: the slow, general way."""
        feature, border, leaves, (scale, bias) = self.trees
        sums: Doubles = _predict(np.ascontiguousarray(X, np.float32), feature, border, leaves)
        sums *= scale
        sums += bias
        return sums

    def warm_up(self) -> None:
        """Compile for habits in memory and mapped from disk."""
        n = len(self.schema.cgs)
        for writeable in (True, False):
            habits = self._nobody.copy()
            habits.flags.writeable = writeable
            self.curves(np.zeros(len(REQUEST_FEATURES), np.float32), self.schema.cgs, np.zeros(n, np.float32), habits)


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
