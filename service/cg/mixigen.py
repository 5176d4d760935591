"""MixiGen and its baselines: which of several generators supplies the next candidate.

Every strategy pulls on the generators' lists in batches and makes the same `Blend`. An item that two
generators have is given to the one that supplies it first; at the other its position is passed over.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import NamedTuple

import numpy as np

from service import mix_features, mix_kernels
from service.array_types import Bools, Doubles, Floats, Ints
from service.cg.base import CandidateGenerator, Query
from service.cg.lists import Lists
from service.history import History
from service.mix_features import Context, list_lengths, request_features
from service.mix_kernels import COMPLETE, Merged, new_merge
from service.mix_model import MixModel
from service.record import record

RRF_CONSTANT = 60.0
_LEAST_SHARE = 1e-12
"""What a share of 0 counts as: such a list supplies once all others have ended."""
_SPARE = 1.3
"""A list whose share is known is fetched so many times deeper."""


class MixiGen:
    """The learned blender: scores every (generator, position) before anything is fetched."""

    def __init__(self, model: MixModel) -> None:
        self.model = model
        self.cgs = model.schema.cgs

    def curves(self, cgs: Sequence[CandidateGenerator], query: Query, history: History, context: Context) -> Doubles:
        """Return the scores (n_cgs, positions) of generators it was trained on.

        history: the query's, with times that compare with the context's.

        Raises:
            ArithmeticError: a score is not finite.
        """
        request = request_features(history, context, self.model.schema)
        habits = self.model.habits
        own = None if habits is None else habits.of(query, context.exclude_seen)
        curves = self.model.curves(request, [cg.name for cg in cgs], list_lengths(cgs, query), own)
        if not all(map(math.isfinite, curves[:, -1].tolist())):  # scores add up: what is wrong stays wrong
            raise ArithmeticError("MixiGen's scores are not finite")
        return curves

    def warm_up(self) -> None:
        """Compile."""
        mix_features.warm_up()
        self.model.warm_up()


@record
class Recipe:
    """What a strategy needs to know besides the lists."""

    n: int
    n_items: int
    curves: Doubles | None = None
    """Of `mixigen`: (n_cgs, positions)."""
    shares: Sequence[float] = ()
    """Of `quota`: for each generator, of any sum; none: equal ones."""


@record
class Blend:
    """Items, best first, and where they came from; `cg` is a row of the generators asked."""

    items: Ints
    cg: Ints
    cg_rank: Ints
    """From 1, in that generator's own eligible list."""
    score: Floats
    """mixigen: of (generator, position); rrf: the sum; else the generator's own."""
    dropped: list[str] = field(default_factory=list)
    """Generators that failed or took too long."""

    def __len__(self) -> int:
        return len(self.items)


class Strategy(NamedTuple):
    """A way to blend."""

    depths: Callable[[Recipe, int], Sequence[int]]
    """(recipe, number of generators) → how deep it will want each, however many items come twice; 0: perhaps not."""
    merge: Callable[[Lists, Recipe], Blend]
    """Pulls on lists, whether something of them has been fetched or nothing, and blends them."""


def _learned_depths(recipe: Recipe, _: int) -> Sequence[int]:
    """A generator with a place is selected once, to depth n: again costs more, and a graph may find another list."""
    places = mix_kernels.planned_depths(_curves(recipe), recipe.n).tolist()
    return [recipe.n if own else 0 for own in places]


def _by_curves(lists: Lists, recipe: Recipe) -> Blend:
    """K-way merge by score; positions beyond those trained on keep the last score."""
    curves = _curves(recipe)
    merged = new_merge(recipe.n, len(lists), recipe.n_items)
    while (row := mix_kernels.merge_by_curves(merged, curves, *_fetched(lists))) != COMPLETE:
        lists.pull(row, recipe.n)
    return _blend(merged, lists, merged.score)


def _curves(recipe: Recipe) -> Doubles:
    if recipe.curves is None:
        raise ValueError("the strategy mixigen needs the curves of a MixiGen")
    return recipe.curves


def _share_depths(recipe: Recipe, n_cgs: int) -> Sequence[int]:
    """Somewhat deeper than its places, for the items that others take first."""
    return [int(share * recipe.n * _SPARE) for share in _shares(recipe, n_cgs).tolist()]


def _by_shares(lists: Lists, recipe: Recipe) -> Blend:
    """Give every generator its share of the places, evenly spread; who ends leaves the rest theirs."""
    merged = new_merge(recipe.n, len(lists), recipe.n_items)
    shares, depths = _shares(recipe, len(lists)), _share_depths(recipe, len(lists))
    while (row := mix_kernels.merge_by_shares(merged, shares, *_fetched(lists))) != COMPLETE:
        lists.pull(row, depths[row])
    size = merged.given.sum()
    return _blend(merged, lists, lists.scores()[merged.cg[:size], merged.position[:size]])


def _shares(recipe: Recipe, n_cgs: int) -> Doubles:
    """Return the share of each generator, together 1 or hardly more, each above 0."""
    shares = np.asarray(recipe.shares or np.ones(n_cgs), np.float64)
    least: Doubles = np.maximum(shares / shares.sum(), _LEAST_SHARE)
    return least


def _rrf(lists: Lists, recipe: Recipe) -> Blend:
    """Reciprocal rank fusion (Cormack et al. 2009) of the first n of every list."""
    for row in range(len(lists)):
        while not lists.ended[row] and lists.lengths[row] < recipe.n:
            lists.pull(row, recipe.n)
    merged = new_merge(len(lists) * recipe.n, len(lists), 0)
    place = np.zeros(recipe.n_items, np.int32)
    depths = np.minimum(lists.lengths, recipe.n)
    size = mix_kernels.fuse(merged, lists.items, depths, place, RRF_CONSTANT)
    best = np.argsort(-merged.score[:size], kind="stable")[: recipe.n]
    return Blend(
        merged.item[best], merged.cg[best], merged.position[best] + 1, _floats(merged.score[best]), lists.dropped
    )


STRATEGIES: Mapping[str, Strategy] = {
    "mixigen": Strategy(_learned_depths, _by_curves),
    "round_robin": Strategy(_share_depths, _by_shares),
    "quota": Strategy(_share_depths, _by_shares),
    "rrf": Strategy(lambda recipe, n_cgs: [recipe.n] * n_cgs, _rrf),
}
"""`round_robin` takes from each in turn, which is what `quota` does where shares are equal."""


def _fetched(lists: Lists) -> tuple[Ints, Ints, Bools]:
    return lists.items, lists.lengths, lists.ended


def _blend(merged: Merged, lists: Lists, score: Doubles | Floats) -> Blend:
    size = sum(merged.given.tolist())
    return Blend(merged.item[:size], merged.cg[:size], merged.position[:size] + 1, _floats(score[:size]), lists.dropped)


def _floats(values: Doubles | Floats) -> Floats:
    return values.astype(np.float32)
