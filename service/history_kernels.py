"""What a model makes of a history: its own items, and the value of each; serial, nogil, compiled once and cached."""

from collections.abc import Mapping

import numpy as np
from numba import njit

from service.array_types import Floats, Ints

_BINARY, _COUNT, _LOG = range(3)
WEIGHTINGS: Mapping[str, int] = {"binary": _BINARY, "count": _COUNT, "log": _LOG}
"""Ways to value an item that was had c times: 1, c, log2(1 + c)."""
_LOGS = np.log2(1.0 + np.arange(1024)).astype(np.float32)


@njit(nogil=True, cache=True, inline="always")
def weight(count: int, weighting: int) -> np.float32:
    """Return the value of an item that was had so many times."""
    if weighting == _BINARY:
        return np.float32(1)
    if weighting == _COUNT:
        return np.float32(count)
    return _LOGS[count] if 0 <= count < len(_LOGS) else np.float32(np.log2(1.0 + count))


@njit(nogil=True, cache=True)
def weigh(counts: Ints, weighting: int) -> Floats:
    """Return the value of each interaction; weighting: one of WEIGHTINGS."""
    weights = np.empty(len(counts), np.float32)
    for place in range(len(counts)):
        weights[place] = weight(counts[place], weighting)
    return weights


@njit(nogil=True, cache=True)
def known(items: Ints, counts: Ints, to_model: Ints, weighting: int) -> tuple[Ints, Floats]:
    """Return those items of a history that a model knows, as the model's items, and their values.

    to_model (n,): the model's item of each item, −1 where it has none; empty: they are the same.
    """
    own, weights, size = np.empty(len(items), np.int32), np.empty(len(items), np.float32), 0
    for place in range(len(items)):
        item = to_model[items[place]] if len(to_model) else items[place]
        own[size], weights[size] = item, weight(counts[place], weighting)
        size += item >= 0
    return own[:size], weights[:size]


def warm_up() -> None:
    """Compile for histories mapped from disk and in memory."""
    for writeable in (True, False):
        items = np.zeros(1, np.int32)
        items.flags.writeable = writeable
        weigh(items, _LOG)
        for to_model in (np.zeros(1, np.int32), np.empty(0, np.int32)):
            known(items, items, to_model, _LOG)
