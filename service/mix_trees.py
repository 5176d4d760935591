"""The oblivious trees of MixiGen, evaluated for all positions of a generator at once: serial, nogil, compiled once.

An oblivious tree asks the same question (feature > border?) at every node of a level, so it is a table of
2^depth values and its answers are the bits of the index. The rows of one request differ only in generator
and position: generators are looked at side by side, and where the position changes a tree's answer is known
when it is loaded.
"""

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from service.array_types import Doubles, Floats, Ints
from service.mix_segments import mean_curves
from service.vector_code import Code, operation, vector

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
def predict(X: Floats, split_feature: Ints, split_border: Floats, leaf_values: Doubles) -> Doubles:
    """Return the sum over the trees for each row of X (n, n_features)."""
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
def _features(request: Floats, lengths: Floats, habits: Floats, cgs: Ints, of_cgs: Floats, first: int) -> Floats:
    """Return the features (n_features, LANES) of generators first … of cgs, but the position; the last comes again."""
    n_request, n_own, n_habits = len(request), of_cgs.shape[1], habits.shape[1]
    X = np.empty((n_request + n_own + 1 + n_habits, LANES), np.float32)
    for lane in range(LANES):
        place = min(first + lane, len(cgs) - 1)
        cg = cgs[place]
        for column in range(n_request):
            X[column, lane] = request[column]
        for column in range(n_own):
            X[n_request + column, lane] = of_cgs[cg, column]
        X[n_request + n_own, lane] = lengths[place]
        for column in range(n_habits):
            X[n_request + n_own + 1 + column, lane] = habits[cg, column]
    return X


@njit(nogil=True, cache=True)
def curves_of_each(
    requests: Floats,
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
    """Return (b, n, positions): what the segments say and, along positions, the sum of the trees' steps up and down.

    requests, lengths, habits have a row for each request; cgs (n,): rows of of_cgs and of a request's habits; of_cgs
    (n_cgs, …): `cg_rows`; columns, borders (n_trees, depth): what a tree asks, never true where it asks for the
    position, which tree, … (Steps) tell.
    """
    curves = np.empty((len(requests), len(cgs), segment_curves.shape[3]))
    trees, steps = (columns, borders, leaf_values), (tree, rise_at, before, after)
    for row in range(len(requests)):
        request, own_habits = requests[row], habits[row]
        values = np.empty(len(request) + own_habits.size, np.float32)  # `mix_segments.values_of`
        values[: len(request)] = request
        values[len(request) :] = own_habits.reshape(own_habits.size)
        start = mean_curves(values, segment_feature, segment_border, segment_children, segment_curves)
        for first in range(0, len(cgs), LANES):
            X = _features(request, lengths[row], own_habits, cgs, of_cgs, first)
            _put_curves(X, trees, steps, scale_and_bias, start, cgs, first, curves[row])
    return curves


@njit(nogil=True, cache=True)
def _put_curves(
    X: Floats,
    trees: tuple[Ints, Floats, Doubles],
    steps: tuple[Ints, Ints, Ints, Ints],
    scale_and_bias: Doubles,
    start: Doubles,
    cgs: Ints,
    first: int,
    curves: Doubles,
) -> None:
    """Write the curves of generators first … of cgs, whose features are X, on top of `start` (n_cgs, positions).

    If no tree rises with the position, neither does the sum: adding numbers ≤ 0 never rounds upwards.
    """
    columns, borders, leaf_values = trees
    rises = _rises(_leaves(X, columns, borders), leaf_values, *steps, start.shape[1])
    for lane in range(min(LANES, len(cgs) - first)):
        curve, own, total = curves[first + lane], start[cgs[first + lane]], 0.0
        for position in range(len(curve)):
            total += rises[position, lane]
            curve[position] = total * scale_and_bias[0] + scale_and_bias[1] + own[position]
