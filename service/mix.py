"""From a request to a blended answer: the one way to a mix, for HTTP, evaluation and offline batches."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import field, replace

import numpy as np

from service.array_types import Doubles
from service.attempt import attempt
from service.cg.base import CandidateGenerator, Candidates, Query
from service.cg.lists import Lists, Source
from service.cg.mixigen import STRATEGIES, Blend, Recipe
from service.cg.together import Together
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
        counts = np.bincount(self.blend.cg, minlength=len(self.cgs))
        return dict(zip(self.cgs, counts.tolist(), strict=True))


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
    """Return for each of several requests what `mix` would return or raise; generators are asked for all in turn."""
    plans = [attempt(_plan, *one) for one in asked]
    sound = [plan for plan in plans if isinstance(plan, _Plan)]
    together, run = Together([plan.lists for plan in sound]), _Run(sound)
    blends = iter(run(together) if watch is None else watch.run(together, run))
    return [attempt(_answer, plan, next(blends)) if isinstance(plan, _Plan) else plan for plan in plans]


@record
class _Plan:
    """A request that has been looked at, and lists of which nothing has been fetched."""

    release: Release
    request: MixRequest
    strategy: str
    recipe: Recipe
    query: Query
    lists: Lists
    depths: Sequence[int]
    """How deep each of the lists will be wanted."""
    user_known: bool
    unknown_items: Sequence[Id]
    degraded: Sequence[str]


def _plan(release: Release, request: MixRequest, stored: History | None) -> _Plan:
    cgs = [release.cg(name) for name in dict.fromkeys(request.cgs or default_cgs(release))]
    strategy = _strategy(release, request, [cg.name for cg in cgs])
    context = _context(release, request)
    query, unknown = make_query(release, request, stored)
    recipe, degraded = _recipe(release, request, strategy, cgs, query, context)
    strategy = RRF if degraded else strategy
    lists = Lists(cgs, query, request.n)
    lists.ended[:] = _only_popular_has_any(cgs, query)  # then none is asked: what is popular is fill
    return _Plan(
        release=release,
        request=request,
        strategy=strategy,
        recipe=recipe,
        query=query,
        lists=lists,
        depths=STRATEGIES[strategy].depths(recipe, len(cgs)),
        user_known=user_known(cgs, request.user_id, stored),
        unknown_items=unknown,
        degraded=degraded,
    )


_Blended = tuple[Blend, Sequence[Sequence[Source]]]


@record
class _Run:
    """The part that waits for generators."""

    plans: Sequence[_Plan]

    def __call__(self, together: Together) -> list[_Blended | Exception]:
        """Blend; the lists are those of the plans, or what is left of them."""
        together.fetch([plan.depths for plan in self.plans])
        return [attempt(_blend, plan, lists) for plan, lists in zip(self.plans, together.lists, strict=True)]


def _blend(plan: _Plan, lists: Lists) -> _Blended:
    blend = STRATEGIES[plan.strategy].merge(lists, plan.recipe)
    return blend, lists.sources(blend.items) if plan.request.explain else []


def _answer(plan: _Plan, blended: _Blended | Exception) -> MixAnswer:
    if isinstance(blended, Exception):
        raise blended
    blend, sources = blended
    own = Candidates(blend.items, blend.score)
    return MixAnswer(
        strategy=plan.strategy,
        cgs=[cg.name for cg in plan.lists.cgs],
        user_known=plan.user_known,
        blend=blend,
        result=fill_up(own, plan.request.n, plan.query.filters, plan.release.popular),
        sources=sources,
        unknown_items=plan.unknown_items,
        degraded=[*plan.degraded, *(f"cg:{name}" for name in blend.dropped)],
    )


def curves(release: Release, request: MixRequest, stored: History | None) -> tuple[list[str], Doubles]:
    """Return what MixiGen would merge by: the generators, and the score of each at positions 1, 2, …

    Raises:
        InvalidRequestError: the release has no MixiGen, or it was not trained on a generator asked for.
    """
    cgs = [release.cg(name) for name in dict.fromkeys(request.cgs or default_cgs(release))]
    names = [cg.name for cg in cgs]
    request = replace(request, strategy=MIXIGEN, shares={})
    _strategy(release, request, names)
    assert release.mixigen is not None  # noqa: S101 (checked by _strategy)
    context = _context(release, request)
    query, _ = make_query(release, request, stored)
    return names, release.mixigen.curves(cgs, query, _dated(query, context.timestamp), context)


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


def _recipe(
    release: Release,
    request: MixRequest,
    strategy: str,
    cgs: Sequence[CandidateGenerator],
    query: Query,
    context: Context,
) -> tuple[Recipe, list[str]]:
    """Return what the strategy needs, and what failed: a MixiGen that cannot score is no reason to fail."""
    n, n_items = request.n, len(release.items)
    if strategy == MIXIGEN and release.mixigen is not None:
        try:
            return Recipe(
                n, n_items, curves=release.mixigen.curves(cgs, query, _dated(query, context.timestamp), context)
            ), []
        except Exception:
            log.exception("MixiGen failed; %s takes its place", RRF)
            return Recipe(n, n_items), [MIXIGEN]
    return Recipe(n, n_items, shares=[request.shares.get(cg.name, 0.0) for cg in cgs] if request.shares else ()), []
