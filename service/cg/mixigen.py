"""MixiGen and its baselines: which of several generators supplies the next candidate.

Every strategy pulls on the generators' lists in batches and makes the same `Blend`. An item that two
generators have is given to the one that supplies it first; at the other its position is passed over.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import NamedTuple

import numpy as np

from service import mix_features, mix_kernels
from service.array_types import Doubles, Floats, Ints
from service.attempt import attempt
from service.cg.base import CandidateGenerator
from service.cg.lists import Lists
from service.cg.several import Histories, Queries
from service.mix_features import Context, features_of_each, lengths_of_each
from service.mix_kernels import COMPLETE, new_merge, new_merges, part_of
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

    def curves(
        self, cgs: Sequence[CandidateGenerator], queries: Queries, histories: Histories, contexts: Sequence[Context]
    ) -> Doubles:
        """Return the scores (n_requests, n_cgs, positions) of generators it was trained on.

        histories: the queries', with times that compare with the contexts'. What is not finite in the scores of a
        request shows at its last positions: scores add up.
        """
        model = self.model
        requests, lengths = features_of_each(histories, contexts, model.schema), lengths_of_each(cgs, queries)
        habits = None
        if model.habits is not None:
            habits = model.habits.of_each(queries, [context.exclude_seen for context in contexts])
        return model.curves_of_each(requests, [cg.name for cg in cgs], lengths, habits)

    def warm_up(self) -> None:
        """Compile."""
        mix_features.warm_up(self.model.schema)
        self.model.warm_up()


@record
class Recipe:
    """What a strategy needs to know besides the lists."""

    n: int
    n_items: int
    curves: Doubles | None = None
    """Of `mixigen`: (n_requests, n_cgs, positions)."""
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
    supplied: Sequence[int]
    """How many items each generator supplied."""
    dropped: list[str] = field(default_factory=list)
    """Generators that failed or took too long."""

    def __len__(self) -> int:
        return len(self.items)


class Strategy(NamedTuple):
    """A way to blend."""

    depths: Callable[[Lists, Recipe], Sequence[Sequence[int]]]
    """How deep it will want each list of each request, however many items come twice; 0: perhaps not."""
    merge: Callable[[Lists, Recipe], Sequence[Blend | Exception]]
    """Pulls on lists, whether something of them has been fetched or nothing, and blends those of each request."""


def _learned_depths(_: Lists, recipe: Recipe) -> Sequence[Sequence[int]]:
    """A generator with a place is selected once, to depth n: again costs more, and a graph may find another list."""
    places = mix_kernels.planned_depths(_curves(recipe), recipe.n)
    return [[recipe.n if own else 0 for own in request] for request in places.tolist()]


def _by_curves(lists: Lists, recipe: Recipe) -> list[Blend | Exception]:
    """K-way merge by score; positions beyond those trained on keep the last score."""
    curves = _curves(recipe)
    merges = new_merges(len(lists), recipe.n, len(lists.cgs), recipe.n_items)
    rows = mix_kernels.merge_each_by_curves(merges, curves, lists.items, lists.lengths, lists.ended)
    for request in np.flatnonzero(rows != COMPLETE).tolist():
        own = slice(request, request + 1)
        part, row = part_of(merges, own), rows[request]
        while row != COMPLETE:
            lists.pull(request, row, recipe.n)
            fetched = lists.items[own], lists.lengths[own], lists.ended[own]
            row = mix_kernels.merge_each_by_curves(part, curves[own], *fetched)[0]
    ranks, scores, supplied = merges.position + 1, _floats(merges.score), merges.given.tolist()
    return [
        Blend(items[:size], cgs[:size], own_ranks[:size], own_scores[:size], own_supplied, dropped)
        for items, cgs, own_ranks, own_scores, own_supplied, dropped in zip(
            merges.item, merges.cg, ranks, scores, supplied, lists.dropped, strict=True
        )
        for size in [sum(own_supplied)]
    ]


def _each(merge: Callable[[Lists, Recipe, int], Blend]) -> Callable[[Lists, Recipe], Sequence[Blend | Exception]]:
    """Return what merges request by request."""
    return lambda lists, recipe: [attempt(merge, lists, recipe, request) for request in range(len(lists))]


def _curves(recipe: Recipe) -> Doubles:
    if recipe.curves is None:
        raise ValueError("the strategy mixigen needs the curves of a MixiGen")
    return recipe.curves


def _share_depths(lists: Lists, recipe: Recipe) -> Sequence[Sequence[int]]:
    """Somewhat deeper than its places, for the items that others take first."""
    return [_own_share_depths(lists, recipe)] * len(lists)


def _own_share_depths(lists: Lists, recipe: Recipe) -> Sequence[int]:
    return [int(share * recipe.n * _SPARE) for share in _shares(lists, recipe).tolist()]


def _by_shares(lists: Lists, recipe: Recipe, request: int) -> Blend:
    """Give every generator its share of the places, evenly spread; who ends leaves the rest theirs."""
    merged = new_merge(recipe.n, len(lists.cgs), recipe.n_items)
    shares, depths = _shares(lists, recipe), _own_share_depths(lists, recipe)
    fetched = lists.items[request], lists.lengths[request], lists.ended[request]
    while (row := mix_kernels.merge_by_shares(merged, shares, *fetched)) != COMPLETE:
        lists.pull(request, row, depths[row])
    supplied = merged.given.tolist()
    own = slice(sum(supplied))
    items, cgs, positions = merged.item[own], merged.cg[own], merged.position[own]
    return Blend(items, cgs, positions + 1, lists.scores(request)[cgs, positions], supplied, lists.dropped[request])


def _shares(lists: Lists, recipe: Recipe) -> Doubles:
    """Return the share of each generator, together 1 or hardly more, each above 0."""
    shares = np.asarray(recipe.shares or np.ones(len(lists.cgs)), np.float64)
    least: Doubles = np.maximum(shares / shares.sum(), _LEAST_SHARE)
    return least


def _rrf(lists: Lists, recipe: Recipe, request: int) -> Blend:
    """Reciprocal rank fusion (Cormack et al. 2009) of the first n of every list."""
    n_cgs, lengths, ended = len(lists.cgs), lists.lengths[request], lists.ended[request]
    for row in range(n_cgs):
        while not ended[row] and lengths[row] < recipe.n:
            lists.pull(request, row, recipe.n)
    merged = new_merge(n_cgs * recipe.n, n_cgs, 0)
    place = np.zeros(recipe.n_items, np.int32)
    size = mix_kernels.fuse(merged, lists.items[request], np.minimum(lengths, recipe.n), place, RRF_CONSTANT)
    best = np.argsort(-merged.score[:size], kind="stable")[: recipe.n]
    items, cgs, ranks = merged.item[best], merged.cg[best], merged.position[best] + 1
    supplied = np.bincount(cgs, minlength=n_cgs).tolist()
    return Blend(items, cgs, ranks, _floats(merged.score[best]), supplied, lists.dropped[request])


STRATEGIES: Mapping[str, Strategy] = {
    "mixigen": Strategy(_learned_depths, _by_curves),
    "round_robin": Strategy(_share_depths, _each(_by_shares)),
    "quota": Strategy(_share_depths, _each(_by_shares)),
    "rrf": Strategy(lambda lists, recipe: [[recipe.n] * len(lists.cgs)] * len(lists), _each(_rrf)),
}
"""`round_robin` takes from each in turn, which is what `quota` does where shares are equal."""


def _floats(values: Doubles | Floats) -> Floats:
    return values.astype(np.float32)
