"""What each generator is worth in a blend, over all users and by how much is known of them."""

from collections.abc import Mapping

import numpy as np

from service.array_types import Bools, Ints
from service.registry import Release
from training.candidate_log import END, Lists
from training.mix_evaluation import RECALL, Part

COLD, HEAVY_SHARE = 5, 0.8


def segments(release: Release, user: Ints) -> dict[str, Bools]:
    """Return which requests are of cold, warm and heavy users.

    Cold: fewer than 5 items in the history; heavy: more items than 80 % of the requests' users have.
    """
    sizes = np.diff(release.history.indptr)[user]
    heavy = max(COLD, float(np.quantile(sizes, HEAVY_SHARE))) if len(sizes) else COLD
    return {
        "all": np.ones(len(user), np.bool_),
        "cold": sizes < COLD,
        "warm": (sizes >= COLD) & (sizes <= heavy),
        "heavy": (sizes >= COLD) & (sizes > heavy),
    }


def slots(part: Part, picks: Ints, some: Bools) -> dict[str, float]:
    """Return the share of the places that each generator supplied, the fill last."""
    names = [*part.lists.cgs, "fill"]
    chosen = picks[some]
    cg = chosen[chosen >= 0] // part.items.shape[2]
    given = np.bincount(cg, minlength=len(names))
    return dict(zip(names, (given / max(1, given.sum())).tolist(), strict=True))


def unique_hits(part: Part, some: Bools) -> dict[str, float]:
    """Return the share of all positives that one generator alone has among its candidates."""
    n_cgs = len(part.lists.cgs)
    items, list_of = part.items, part.list_of
    chosen = np.flatnonzero(some)
    total = int(part.requests.positives[chosen].sum())
    found = np.zeros(n_cgs)
    for request in chosen.tolist():
        cg, position = np.nonzero(part.bought[request, :n_cgs])
        item = items[cg, list_of[request], position]
        _, first, count = np.unique(item, return_index=True, return_counts=True)
        np.add.at(found, cg[first[count == 1]], 1)
    return dict(zip(part.lists.cgs, (found / max(1, total)).tolist(), strict=True))


def overlap(lists: Lists) -> dict[str, dict[str, float]]:
    """Return the mean share of each generator's candidates (row) that another one (column) has too."""
    n_cgs, n_users, _ = lists.items.shape
    table = np.zeros((n_cgs, n_cgs))
    asked = np.zeros(n_cgs)
    for user in range(n_users):
        own = [row[row != END] for row in lists.items[:, user]]
        for cg, mine in enumerate(own):
            if len(mine):
                asked[cg] += 1
                table[cg] += [np.isin(mine, other).mean() for other in own]
    shares = table / np.maximum(1, asked)[:, None]
    return {name: dict(zip(lists.cgs, row.tolist(), strict=True)) for name, row in zip(lists.cgs, shares, strict=True)}


def left_out(part: Part, picks: Ints, others: Mapping[str, Ints], some: Bools) -> dict[str, float]:
    """Return by how much recall changes without each generator; others: the blend's places without it."""
    own = part.values(picks, RECALL)[some].mean()
    return {name: float(part.values(without, RECALL)[some].mean() - own) for name, without in others.items()}
