"""Intervals of means whose values come in groups: the requests of one user are alike."""

import numpy as np
from numpy.typing import ArrayLike

from service.array_types import Longs

Z = 1.96
"""Of a 95 % interval."""


def mean_and_half(values: ArrayLike, group: Longs | None = None) -> tuple[float, float]:
    """Return the mean of values (n,) and half of its 95 % interval.

    group: (n,) small integers; values of one group may depend on each other (the sandwich estimator of a ratio
    with groups as the sampled units). None: every value stands alone.
    """
    x = np.asarray(values, np.float64)
    mean = float(x.mean())
    group = np.arange(len(x)) if group is None else group
    present, group = np.unique(group, return_inverse=True)
    if len(present) < 2:
        return mean, 0.0
    sums = np.bincount(group, x - mean)
    variance = len(present) / (len(present) - 1) * float(sums @ sums) / len(x) ** 2
    return mean, round(Z * float(np.sqrt(variance)), 9)
