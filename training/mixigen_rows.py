"""The blender's training rows: one for each request, generator and stretch of positions.

What a place holds is mostly noise, and neighbouring places are alike: a stretch of them is one row, with the
mean of its new items as label and their number as weight. That is a sixth of the rows and the same model.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.array_types import Bools, Doubles, Floats, Longs
from service.mix_features import MixSchema, rows
from training.mixigen_logged import Seen

GROWTH = 1.3
"""Each stretch is about so much longer than the one before it; the first six are single places."""


class Table(NamedTuple):
    """Rows for catboost, request by request."""

    X: Floats
    label: Doubles
    weight: Doubles
    """Number of places behind a row."""
    baseline: Doubles
    request: Longs

    def where(self, some: Bools) -> "Table":
        """Return some rows."""
        columns: list[NDArray[Any]] = [column[some] for column in self]
        return Table(*columns)


def stretches(depth: int) -> Longs:
    """Return the first positions (from 0) of the stretches of a list, and its depth at the end."""
    starts = [0]
    while starts[-1] < depth:
        starts.append(min(depth, max(starts[-1] + 1, round(starts[-1] * GROWTH))))
    return np.array(starts, np.int64)


def make_table(seen: Seen, value: Floats, new: Bools, base: Doubles, schema: MixSchema) -> Table:
    """Return one row for each request, generator and stretch that has a new item.

    value, new, base: (n_requests, n_cgs, positions).
    """
    starts = stretches(schema.max_position)
    count = _sums(new.astype(np.float64), starts)
    label, baseline = (_sums(new * values, starts) / np.maximum(1, count) for values in (value, base))
    request, cg, stretch = np.nonzero(count)
    middle = ((starts[:-1] + 1 + starts[1:]) / 2).astype(np.float32)  # of positions from 1
    X = np.empty((len(request), rows(seen.features[0], schema, seen.lengths[0]).shape[1]), np.float32)
    n_request, n_cgs = seen.features.shape[1], len(schema.cgs)
    of_cg = rows(np.zeros(n_request, np.float32), schema, np.zeros(n_cgs, np.float32))[:: schema.max_position]
    X[:] = of_cg[cg]
    X[:, :n_request] = seen.features[request]
    own = 2 + len(schema.habits)
    X[:, -own], X[:, -1] = seen.lengths[request, cg], middle[stretch]
    if seen.habits is not None:
        X[:, 1 - own : -1] = seen.habits[request, cg]
    places = request, cg, stretch
    return Table(X, label[places], count[places], baseline[places], request)


def join(tables: Sequence[Table]) -> Table:
    """Put tables one below the other; requests are numbered on."""
    before = np.cumsum([0, *(1 + table.request.max(initial=-1) for table in tables)])
    numbered = [table._replace(request=table.request + first) for table, first in zip(tables, before, strict=False)]
    columns: list[NDArray[Any]] = [np.concatenate(column) for column in zip(*numbered, strict=True)]
    return Table(*columns)


def _sums(values: NDArray[Any], starts: Longs) -> Doubles:
    return np.add.reduceat(values, starts[:-1], axis=2, dtype=np.float64)
