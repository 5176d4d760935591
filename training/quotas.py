"""The best fixed quota: the shares of the generators that a search on the validation part finds."""

from collections.abc import Callable
from itertools import combinations

import numpy as np

from service.array_types import Doubles

COARSE, STEPS = 5, (0.1, 0.05)


def simplex(n: int, units: int) -> Doubles:
    """Return all ways (m, n) to give `units` equal units to n generators, as shares."""
    ways = list(combinations(range(units + n - 1), n - 1))
    bars = np.array(ways, np.int64).reshape(len(ways), n - 1)
    edges = np.hstack([np.full((len(bars), 1), -1), bars, np.full((len(bars), 1), units + n - 1)])
    return (np.diff(edges, axis=1) - 1) / units


def search(value: Callable[[Doubles], float], n: int) -> tuple[Doubles, float]:
    """Return the best shares and their value: a grid of fifths, then moves of a tenth and of a twentieth."""
    grid = simplex(n, COARSE)
    values = [value(shares) for shares in grid]
    best = int(np.argmax(values))
    shares, found = grid[best], values[best]
    for step in STEPS:
        improved = True
        while improved:
            shares, found, improved = _move(value, shares, found, step)
    return shares, found


def _move(value: Callable[[Doubles], float], shares: Doubles, found: float, step: float) -> tuple[Doubles, float, bool]:
    """Try to move `step` from each generator to each other one; take the best of these moves."""
    best, best_value = shares, found
    for giver in np.flatnonzero(shares >= step - 1e-9):
        for taker in range(len(shares)):
            if taker == giver:
                continue
            moved = shares.copy()
            moved[giver], moved[taker] = max(0.0, moved[giver] - step), moved[taker] + step
            moved_value = value(moved)
            if moved_value > best_value + 1e-12:
                best, best_value = moved, moved_value
    return best, best_value, best is not shares
