"""Finds the segments of requests from which MixiGen's scores start: a forest, whose leaves are allocations.

Each tree sees half of the requests. It splits them by what their generators' places were worth, whatever was
taken before (the items at the top, below, …: one sum for each generator and piece of its list), and
`mixigen_base` finds the best allocation for each leaf. The trees that have not seen a request say what is
expected for it; the blender's boosted trees learn from what that misses, or they would trust what was learnt by heart.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeRegressor

from service.array_types import Doubles, Floats, Ints
from service.mix_features import REQUEST_FEATURES, MixSchema
from service.mix_segments import LEAF, Segments
from training.mixigen_base import numbered, segment_curves
from training.mixigen_logged import Logged

SAMPLE = 0.5
"""Share of the requests that a tree sees."""
LEAST = 100
"""Requests of a segment: of fewer, an allocation is mostly chance."""
COLUMNS = 0.5
"""Share of the columns that a split is chosen among, so that trees differ."""
PIECES = (0, 3, 10, 30, 60)
"""First positions (from 0) of the pieces of a list."""
_EXCLUDE_SEEN = REQUEST_FEATURES.index("exclude_seen")


class Tree(NamedTuple):
    """One tree of `Segments`, of as many nodes and segments as it has."""

    feature: Ints
    border: Doubles
    children: Ints
    curves: Floats


def grow(
    logs: Sequence[Logged], schema: MixSchema, *, trees: int, segments: int, monotone: bool, seed: int
) -> tuple[Segments, list[Doubles]]:
    """Return the segments, and the curves (n_requests, n_cgs, positions) expected for the requests of each log.

    logs: those of both ways of treating seen items: [allowed, excluded], cut to the positions.
    """
    ways = [_forest(log, schema, trees, segments, monotone, seed) for log in logs]
    forest = _stack([_by_way(*pair) for pair in zip(*(grown for grown, _ in ways), strict=True)])
    return forest, [expected for _, expected in ways]


def _forest(
    log: Logged, schema: MixSchema, trees: int, segments: int, monotone: bool, seed: int
) -> tuple[list[Tree], Doubles]:
    """Return trees for one way of treating seen items, and what those say of a request that have not seen it."""
    values, numbers, targets = log.seen.values(schema), numbered(log.lists.items), _targets(log.value)
    n, rng = len(values), np.random.default_rng(seed)
    expected, asked, grown = np.zeros(log.value.shape), np.zeros(n), []
    for number in range(trees):
        in_bag = np.zeros(n, np.bool_)
        in_bag[rng.permutation(n)[: max(1, int(SAMPLE * n))]] = True
        found = DecisionTreeRegressor(
            max_leaf_nodes=max(2, segments),
            min_samples_leaf=LEAST if segments > 1 else n,
            max_features=COLUMNS,
            random_state=seed + number,
        ).fit(values[in_bag], targets[in_bag])
        leaf = found.apply(values)
        leaves, segment = np.unique(leaf, return_inverse=True)
        of_bag = (log.list_of[in_bag], log.value[in_bag], segment[in_bag])
        curves = segment_curves(numbers, *of_bag, len(leaves), monotone=monotone).astype(np.float32)
        grown.append(_tree(found, leaves, curves))
        out = np.flatnonzero(~in_bag)
        expected[out] += curves[segment[out]]
        asked[out] += 1
    expected /= np.maximum(1, asked)[:, None, None]
    for row in np.flatnonzero(asked == 0):  # all trees have seen it
        expected[row] = _stack(grown).of(values[row])
    return grown, expected


def _targets(value: Floats) -> Doubles:
    """Return (n_requests, n_cgs · pieces): by what a tree splits; what varies more counts for more."""
    pieces = np.add.reduceat(value, [first for first in PIECES if first < value.shape[2]], axis=2, dtype=np.float64)
    flat = pieces.reshape(len(value), -1)
    scale = np.sqrt(flat.std(axis=0))
    return np.asarray((flat - flat.mean(axis=0)) / np.where(scale > 0, scale, 1))


def _tree(found: DecisionTreeRegressor, leaves: NDArray[np.int64], curves: Floats) -> Tree:
    """Turn scikit-learn's tree into arrays; leaves: its nodes that are segments, in the order of `curves`."""
    nodes = found.tree_
    feature = nodes.feature.astype(np.int32)
    children = np.stack([nodes.children_left, nodes.children_right], axis=1).astype(np.int32)
    border = nodes.threshold.copy()
    feature[leaves], border[leaves] = LEAF, 0
    children[leaves] = np.arange(len(leaves))[:, None]
    return Tree(feature, border, children, curves)


def _by_way(allowed: Tree, excluded: Tree) -> Tree:
    """Return a tree that asks first whether seen items are excluded."""
    first, second = 1, 1 + len(allowed.feature)

    def moved(tree: Tree, nodes: int, segments: int) -> Ints:
        shift = np.where(tree.feature == LEAF, segments, nodes)
        return (tree.children + shift[:, None]).astype(np.int32)

    children = [moved(allowed, first, 0), moved(excluded, second, len(allowed.curves))]
    return Tree(
        np.concatenate([np.array([_EXCLUDE_SEEN], np.int32), allowed.feature, excluded.feature]),
        np.concatenate([[0.5], allowed.border, excluded.border]),
        np.concatenate([np.array([[first, second]], np.int32), *children]),
        np.concatenate([allowed.curves, excluded.curves]),
    )


def _stack(trees: Sequence[Tree]) -> Segments:
    """Put trees into common arrays; what the smaller ones lack are segments that nobody gets to."""
    nodes, segments = max(len(tree.feature) for tree in trees), max(len(tree.curves) for tree in trees)
    return Segments(
        np.stack([_padded(tree.feature, nodes, LEAF) for tree in trees]),
        np.stack([_padded(tree.border, nodes) for tree in trees]),
        np.stack([_padded(tree.children, nodes) for tree in trees]),
        np.stack([_padded(tree.curves, segments) for tree in trees]),
    )


def _padded(values: NDArray[Any], size: int, fill: int = 0) -> NDArray[Any]:
    rest = np.full((size - len(values), *values.shape[1:]), fill, values.dtype)
    return np.concatenate([values, rest])
