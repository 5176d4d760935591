"""Segments of requests that are alike, and for each the best fixed allocation: what MixiGen's scores start from.

Some trees ask for features of a request and of its user's habits; each puts the request into one of its segments, and
the curves of these segments are averaged. No generator and no position is asked for, so that an allocation is the best
one as a whole: what a place is worth depends on what the other generators have supplied before it.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from service.array_types import Doubles, Floats, Ints
from service.artifact import Artifact
from service.cg.arrays import array
from service.mix_features import REQUEST_FEATURES, MixSchema

LEAF = -1
"""The feature of a node that asks for nothing."""
_EXCLUDE_SEEN = REQUEST_FEATURES.index("exclude_seen")


class Segments(NamedTuple):
    """Trees over `values_of` a request."""

    feature: Ints
    """(n_trees, n_nodes) the column that a node asks for, LEAF where it is a segment."""
    border: Doubles
    """(n_trees, n_nodes) whether the value is above it."""
    children: Ints
    """(n_trees, n_nodes, 2) the nodes for values not above and above it; of a segment its row of `curves`, twice."""
    curves: Floats
    """(n_trees, n_segments, n_cgs, positions)."""

    @classmethod
    def from_artifact(cls, artifact: Artifact, schema: MixSchema) -> "Segments":
        """Read them from a MixiGen's artifact, in which the curves of a segment are one row, generator by generator.

        Raises:
            ValueError: the curves are those of other generators or positions; `check` says the rest.
        """
        feature, border, children, flat = (array(artifact, name) for name in ARRAYS)
        n_cgs, depth = len(schema.cgs), schema.max_position
        if flat.ndim != 3 or flat.shape[2] != n_cgs * depth:
            raise ValueError(f"segment_curves are {flat.shape}; wanted (trees, segments, {n_cgs} · {depth})")
        return cls(feature, border, children, flat.reshape(*flat.shape[:2], n_cgs, depth))

    @classmethod
    def fixed(cls, curves: Doubles) -> "Segments":
        """Return two allocations (2, n_cgs, positions): for requests with seen items allowed, and excluded."""
        feature = np.array([[_EXCLUDE_SEEN, LEAF, LEAF]], np.int32)
        children = np.array([[[1, 2], [0, 0], [1, 1]]], np.int32)
        return cls(feature, np.array([[0.5, 0.0, 0.0]]), children, curves.astype(np.float32)[None])

    def of(self, values: Floats) -> Doubles:
        """Return the curves (n_cgs, positions) of a request."""
        curves: Doubles = mean_curves(values, *self)
        return curves

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return them as an artifact names them."""
        flat = self.curves.reshape(*self.curves.shape[:2], -1)
        return dict(zip(ARRAYS, (*self[:-1], flat), strict=True))

    def check(self, schema: MixSchema) -> None:
        """Compare types, shapes and references.

        Raises:
            ValueError: the arrays do not fit together, or are those of other generators.
        """
        feature, border, children, curves = self
        dtypes = [str(values.dtype) for values in self]
        if dtypes != ["int32", "float64", "int32", "float32"]:
            raise ValueError(f"the segments are {', '.join(dtypes)}; wanted int32, float64, int32, float32")
        shape, wanted = curves.shape[2:], (len(schema.cgs), schema.max_position)
        same = feature.shape == border.shape == children.shape[:2] and len(curves) == len(feature)
        if not same or feature.ndim != 2 or feature.size == 0 or children.shape[2:] != (2,) or shape != wanted:
            raise ValueError(
                f"segments are {feature.shape}, {border.shape}, {children.shape}, {curves.shape}; wanted "
                f"(trees, nodes), the same, (trees, nodes, 2) and (trees, segments, {wanted[0]}, {wanted[1]})"
            )
        leaf, n_values = feature == LEAF, len(REQUEST_FEATURES) + len(schema.cgs) * len(schema.habits)
        if not LEAF <= feature.min() <= feature.max() < n_values:
            raise ValueError(f"a segment asks for column {feature.max()} of {n_values}; its generators are others")
        later = (children > np.arange(feature.shape[1])[:, None]) & (children < feature.shape[1])
        there = (children >= 0) & (children < curves.shape[1])
        if not np.where(leaf[:, :, None], there, later).all():
            raise ValueError("a node of the segments refers to one that is not there, or not after it")


ARRAYS = tuple(f"segment_{name}" for name in Segments._fields)


def values_of(request: Floats, habits: Floats | None, schema: MixSchema) -> Floats:
    """Return what the trees ask for: `request_features`, and the habits (n_cgs, n) of all generators, None: zeros."""
    n_habits = len(schema.cgs) * len(schema.habits)
    values = np.zeros(len(request) + n_habits, np.float32)
    values[: len(request)] = request
    if habits is not None and n_habits:
        values[len(request) :] = habits.ravel()
    return values


@njit(nogil=True, cache=True)
def mean_curves(values: Floats, feature: Ints, border: Doubles, children: Ints, curves: Floats) -> Doubles:
    """Return `Segments.of`, given its parts."""
    _, _, n_cgs, depth = curves.shape
    total = np.zeros((n_cgs, depth))
    for tree in range(len(feature)):
        node = 0
        while feature[tree, node] != LEAF:
            node = children[tree, node, int(values[feature[tree, node]] > border[tree, node])]
        own = curves[tree, children[tree, node, 0]]
        for cg in range(n_cgs):
            for position in range(depth):
                total[cg, position] += own[cg, position]
    return total / len(feature)
