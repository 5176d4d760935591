"""From a request to a blended answer: the one way to a mix, for HTTP, evaluation and offline batches."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import Any

import numpy as np

from service.array_types import Doubles
from service.attempt import attempt
from service.cg.base import CandidateGenerator, Candidates, Query
from service.cg.lists import Lists, Source
from service.cg.mixigen import STRATEGIES, Blend, Recipe
from service.cg.several import Histories, Queries
from service.errors import InvalidRequestError
from service.fill import Filled, fill_up
from service.generate import Request, make_query, user_known
from service.history import History
from service.ids import Id
from service.mix_features import Context, list_lengths
from service.record import record
from service.registry import Release
from service.release_manifest import POPULAR
from service.watch import Watch

log = logging.getLogger(__name__)

MIXIGEN, QUOTA, RRF = "mixigen", "quota", "rrf"


@record
class MixRequest(Request):
    """What one caller wants blended; `cg` plays no part."""

    cgs: Sequence[str] = ()
    """None: those of the release's MixiGen, or all but popular."""
    strategy: str | None = None
    """None: mixigen if the release has one, else rrf."""
    shares: Mapping[str, float] = field(default_factory=dict)
    """Of `quota`: generator → share; they need not sum to 1."""
    explain: bool = False
    city_name: str | None = None
    store_id: str | None = None
    timestamp: int | None = None
    """Unix seconds; None: now."""


@record
class MixAnswer:
    """A blend with what a caller needs to know about it; its rows of generators are places in `cgs`."""

    strategy: str
    """The one that was used: rrf where MixiGen failed."""
    cgs: Sequence[str]
    user_known: bool
    blend: Blend
    result: Filled
    sources: Sequence[Sequence[Source]]
    """For every item of the blend; empty unless asked for."""
    unknown_items: Sequence[Id] = ()
    degraded: list[str] = field(default_factory=list)

    @property
    def fallback(self) -> str | None:
        """`popular` when all there is is fill."""
        return POPULAR if len(self.result.fill) and not len(self.blend) else None

    @property
    def slots(self) -> dict[str, int]:
        """How many items each generator supplied, fill apart."""
        return dict(zip(self.cgs, self.blend.supplied, strict=True))


def mix(release: Release, request: MixRequest, stored: History | None, watch: Watch | None = None) -> MixAnswer:
    """Blend generators of a release for one user.

    stored: the user's history from the provider, None if the provider does not know the user.
    watch: keeps it within a time; without, generators take the time that they take.

    Raises:
        UnknownCGError: the release has no such generator.
        InvalidRequestError: the strategy, the generators and the shares do not go together.
    """
    found = mixes([(release, request, stored)], watch)[0]
    if isinstance(found, Exception):
        raise found
    return found


def mixes(
    asked: Sequence[tuple[Release, MixRequest, History | None]], watch: Watch | None = None
) -> list[MixAnswer | Exception]:
    """Return for each of several requests what `mix` would return or raise; those that are alike are made together."""
    plans = [attempt(_plan, *one) for one in asked]
    alike: dict[Any, list[int]] = {}
    for place, plan in enumerate(plans):
        if isinstance(plan, _Plan):
            alike.setdefault(plan.kind, []).append(place)
    found: list[Any] = [*plans]
    end = watch.end() if watch else 0.0
    for places in alike.values():
        answers = attempt(_answers, [found[place] for place in places], watch, end)
        for row, place in enumerate(places):
            found[place] = answers if isinstance(answers, Exception) else answers[row]
    return found


@record
class _Plan:
    """A request that has been looked at."""

    release: Release
    request: MixRequest
    cgs: Sequence[CandidateGenerator]
    strategy: str
    query: Query
    context: Context
    user_known: bool
    unknown_items: Sequence[Id]
    degraded: Sequence[str] = ()

    @property
    def kind(self) -> object:
        """What is the same for requests that can be blended together."""
        own, shares = self.request, tuple(self.request.shares.items())
        return id(self.release), tuple(map(id, self.cgs)), own.n, self.strategy, shares


def _plan(release: Release, request: MixRequest, stored: History | None) -> _Plan:
    cgs = [release.cg(name) for name in dict.fromkeys(request.cgs or default_cgs(release))]
    strategy = _strategy(release, request, [cg.name for cg in cgs])
    context = _context(release, request)
    query, unknown = make_query(release, request, stored)
    known = user_known(cgs, request.user_id, stored)
    return _Plan(release, request, cgs, strategy, query, context, known, unknown)


def _answers(plans: Sequence[_Plan], watch: Watch | None, end: float) -> Sequence[MixAnswer | Exception]:
    """Blend for requests that are alike; a MixiGen that cannot score is no reason to fail."""
    queries = Queries(plan.query for plan in plans)
    recipe = attempt(_recipe, plans, queries)
    if isinstance(recipe, Exception):
        if len(plans) > 1:
            return [answer for plan in plans for answer in _answers([plan], watch, end)]
        if plans[0].strategy != MIXIGEN:
            raise recipe
        log.error("MixiGen failed; %s takes its place", RRF, exc_info=recipe)
        return _answers([replace(plans[0], strategy=RRF, degraded=[MIXIGEN])], watch, end)
    strategy, lists = STRATEGIES[plans[0].strategy], _lists(plans, queries)
    depths = strategy.depths(lists, recipe)

    def work(lists: Lists) -> tuple[Lists, Sequence[Blend | Exception]]:
        lists.fetch(depths)
        return lists, strategy.merge(lists, recipe)

    lists, blends = work(lists) if watch is None else watch.run(lists, work, end)
    return [attempt(_answer, plan, lists, place, blends[place]) for place, plan in enumerate(plans)]


def _lists(plans: Sequence[_Plan], queries: Queries) -> Lists:
    lists = Lists(plans[0].cgs, queries, plans[0].request.n)
    for place, plan in enumerate(plans):
        if _only_popular_has_any(plan.cgs, plan.query):  # then none is asked: what is popular is fill
            lists.ended[place] = True
    return lists


def _answer(plan: _Plan, lists: Lists, place: int, blend: Blend | Exception) -> MixAnswer:
    if isinstance(blend, Exception):
        raise blend
    own = Candidates(blend.items, blend.score)
    return MixAnswer(
        strategy=plan.strategy,
        cgs=[cg.name for cg in plan.cgs],
        user_known=plan.user_known,
        blend=blend,
        result=fill_up(own, plan.request.n, plan.query.filters, plan.release.popular),
        sources=lists.sources(place, blend.items) if plan.request.explain else [],
        unknown_items=plan.unknown_items,
        degraded=[*plan.degraded, *(f"cg:{name}" for name in blend.dropped)],
    )


def curves(release: Release, request: MixRequest, stored: History | None) -> tuple[list[str], Doubles]:
    """Return what MixiGen would merge by: the generators, and the score of each at positions 1, 2, …

    Raises:
        InvalidRequestError: the release has no MixiGen, or it was not trained on a generator asked for.
    """
    plan = _plan(release, replace(request, strategy=MIXIGEN, shares={}), stored)
    return [cg.name for cg in plan.cgs], _curves([plan], Queries([plan.query]))[0]


def default_cgs(release: Release) -> Sequence[str]:
    """Return the generators that are blended when a request names none."""
    if release.mixigen is not None:
        return release.mixigen.cgs
    return [name for name in release.cgs if name != POPULAR] or [POPULAR]


def _only_popular_has_any(cgs: Sequence[CandidateGenerator], query: Query) -> bool:
    """Whether the blend would be a fallback in disguise: all others know nothing, so what is popular is fill."""
    others = [cg for cg in cgs if cg.name != POPULAR]
    return 0 < len(others) < len(cgs) and not len(query.history) and not list_lengths(others, query).any()


def _strategy(release: Release, request: MixRequest, names: Sequence[str]) -> str:
    """Choose and check."""
    strategy = request.strategy or (MIXIGEN if release.mixigen else RRF)
    if strategy not in STRATEGIES:
        raise InvalidRequestError("strategy", f"no strategy {strategy!r}; valid: {', '.join(STRATEGIES)}")
    if strategy == MIXIGEN:
        if release.mixigen is None:
            others = ", ".join(name for name in STRATEGIES if name != MIXIGEN)
            raise InvalidRequestError("strategy", f"this release has no MixiGen; valid: {others}")
        new = [name for name in names if name not in release.mixigen.cgs]
        if new:
            trained = ", ".join(release.mixigen.cgs)
            raise InvalidRequestError("cgs", f"MixiGen was not trained on {', '.join(new)}; valid: {trained}")
    _check_shares(request, strategy, names)
    return strategy


def _check_shares(request: MixRequest, strategy: str, names: Sequence[str]) -> None:
    if not request.shares:
        return
    if strategy != QUOTA:
        raise InvalidRequestError("shares", f"only strategy={QUOTA} has shares, not {strategy}; leave one of them out")
    others = [name for name in request.shares if name not in names]
    if others:
        raise InvalidRequestError("shares", f"{', '.join(others)} not among cgs; those are: {', '.join(names)}")
    if not sum(request.shares.values()) > 0:
        raise InvalidRequestError("shares", "all are 0; wanted one above 0")


def _dated(query: Query, now: int) -> History:
    """Return the history; one that the request gave has no times of its own, so it has just happened."""
    history = query.history
    if not query.history_given or not len(history):
        return history
    return History(history.items, history.counts, history.last + (now - history.last.max()))


def _context(release: Release, request: MixRequest) -> Context:
    now = int(time.time()) if request.timestamp is None else request.timestamp
    exclude_seen = release.manifest.exclude_seen if request.exclude_seen is None else request.exclude_seen
    return Context(now, request.city_name, request.store_id, exclude_seen)


def _recipe(plans: Sequence[_Plan], queries: Queries) -> Recipe:
    """Return what the strategy needs for requests that are alike."""
    first = plans[0]
    curves = _curves(plans, queries) if first.strategy == MIXIGEN else None
    shares = [first.request.shares.get(cg.name, 0.0) for cg in first.cgs] if first.request.shares else ()
    return Recipe(first.request.n, len(first.release.items), curves, shares)


def _curves(plans: Sequence[_Plan], queries: Queries) -> Doubles:
    """Return MixiGen's scores (n_requests, n_cgs, positions).

    Raises:
        ArithmeticError: one is not finite.
    """
    mixigen = plans[0].release.mixigen
    assert mixigen is not None  # noqa: S101 (checked by _strategy)
    histories = queries.histories
    if any(query.history_given for query in queries):
        histories = Histories.of([_dated(plan.query, plan.context.timestamp) for plan in plans])
    curves = mixigen.curves(plans[0].cgs, queries, histories, [plan.context for plan in plans])
    if not np.isfinite(curves[:, :, -1]).all():  # scores add up: what is wrong stays wrong
        raise ArithmeticError("MixiGen's scores are not finite")
    return curves
