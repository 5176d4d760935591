"""What each place is worth on average over all requests: the best fixed allocation, on which trees build.

A candidate that another generator has supplied already is worth nothing and takes no place: the merge drops
it. So a place is worth the mean over the requests in which its item is new when the merge gets there. Which
that is depends on the merge, and the merge on what places are worth: found in a few rounds.
"""

import numpy as np
from sklearn.isotonic import isotonic_regression

from service.array_types import Bools, Doubles, Floats, Longs
from training.candidate_log import END, Lists
from training.merge import merge

ROUNDS = 4


def base_curves(lists: Lists, list_of: Longs, value: Floats, n_items: int, *, monotone: bool) -> Doubles:
    """Return (n_cgs, positions): the mean value of the new items at each place, falling if `monotone`.

    lists: cut to the positions; list_of: (n_requests,) the list of each request; value: (n_requests, n_cgs,
    positions).
    """
    n_cgs, _, depth = lists.items.shape
    base = in_turns(n_cgs, depth)
    for _ in range(ROUNDS):
        new = new_places(lists, list_of, np.broadcast_to(base, (len(list_of), n_cgs, depth)), n_items)
        count = new.sum(axis=0)
        mean = np.where(new, value, 0).sum(axis=0, dtype=np.float64) / np.maximum(1, count)
        base = np.stack([_falling(*pair) for pair in zip(mean, count, strict=True)]) if monotone else mean
    return base


def in_turns(n_cgs: int, depth: int) -> Doubles:
    """Return the curves (n_cgs, depth) by which every generator supplies in turn."""
    return np.tile(-np.arange(depth, dtype=np.float64), (n_cgs, 1))


def new_places(lists: Lists, list_of: Longs, curves: Doubles, n_items: int) -> Bools:
    """Return (n_requests, n_cgs, positions): which places hold an item that no earlier place of the merge has.

    curves: (n_requests, n_cgs, positions).
    """
    n_cgs, _, depth = lists.items.shape
    no_fill = np.full_like(lists.items[:1], END)
    picks = merge(np.concatenate([lists.items, no_fill]), list_of, curves, n_items, n_cgs * depth)
    new = np.zeros((len(list_of), n_cgs * depth), np.bool_)
    request, pick = np.nonzero(picks >= 0)
    new[request, picks[request, pick]] = True
    return new.reshape(-1, n_cgs, depth)


def _falling(mean: Doubles, count: Longs) -> Doubles:
    """Return the closest curve that does not rise (isotonic regression); where nothing was seen, it goes on."""
    seen = count > 0
    if not seen.any():
        return np.zeros(len(mean))
    fitted = isotonic_regression(mean[seen], sample_weight=count[seen].astype(np.float64), increasing=False)
    place = np.maximum(np.searchsorted(np.flatnonzero(seen), np.arange(len(mean)), side="right") - 1, 0)
    return np.asarray(fitted[place], np.float64)
