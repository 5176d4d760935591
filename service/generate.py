"""From a request to an answer: the one way to candidates, for HTTP, evaluation and offline batches."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field

import numpy as np

from service.array_types import Bools
from service.attempt import attempt
from service.cg.base import ALL_ALLOWED, CandidateGenerator, Candidates, Filters, KnowsUsers, Query
from service.cg.each import best_of_each, ranks_together
from service.fill import Filled, fill_up
from service.history import EMPTY, FORGOTTEN, History, from_events
from service.ids import Id
from service.record import record
from service.registry import Release
from service.release_manifest import POPULAR

MAX_N = 1000


@record
class Request:
    """What one caller wants; ids are parsed but need not be known."""

    user_id: Id
    cg: str | None = None
    n: int = 100
    exclude_seen: bool | None = None
    """None: the release's default."""
    exclude: Sequence[Id] = ()
    allow: Sequence[Id] = ()
    categories: Sequence[str] = ()
    history: Sequence[Id] = ()
    """Replaces the stored history if not empty; oldest first."""


@record
class Answer:
    """Candidates with what a caller needs to know about them."""

    cg: str
    user_known: bool
    result: Filled
    unknown_items: Sequence[Id] = ()
    degraded: list[str] = field(default_factory=list)

    @property
    def fallback(self) -> str | None:
        """`popular` when all there is is fill."""
        return POPULAR if len(self.result.fill) and not len(self.result.own) else None


def generate(release: Release, request: Request, stored: History | None) -> Answer:
    """Answer a request with one generator of a release.

    stored: the user's history from the provider, None if the provider does not know the user.

    Raises:
        UnknownCGError: the release has no such generator.
    """
    found = next(generate_each([(release, request, stored)]))[0]
    if isinstance(found, Exception):
        raise found
    return found


def generate_each(
    asked: Sequence[tuple[Release, Request, History | None]],
) -> Iterator[Mapping[int, Answer | Exception]]:
    """Give what `generate` would return or raise for several requests, by their places, as soon as some of it is there.

    A generator that answers several queries with less work than one after the other is asked once for all.
    """
    plans = [attempt(_plan, *one) for one in asked]
    failed = {place: plan for place, plan in enumerate(plans) if isinstance(plan, Exception)}
    if failed:
        yield failed
    together: dict[object, dict[int, _Plan]] = {}
    for place, plan in enumerate(plans):
        if isinstance(plan, _Plan):
            alike = (id(plan.cg), plan.request.n) if ranks_together(plan.cg) else place
            together.setdefault(alike, {})[place] = plan
    for some in together.values():
        first = next(iter(some.values()))
        best = best_of_each(first.cg, [plan.query for plan in some.values()], first.request.n)
        yield {place: attempt(_answer, plan, own) for (place, plan), own in zip(some.items(), best, strict=True)}


@record
class _Plan:
    """A request that has been looked at."""

    release: Release
    request: Request
    cg: CandidateGenerator
    query: Query
    user_known: bool
    unknown_items: Sequence[Id]


def _plan(release: Release, request: Request, stored: History | None) -> _Plan:
    cg = release.cg(request.cg)
    query, unknown = make_query(release, request, stored)
    return _Plan(release, request, cg, query, user_known([cg], request.user_id, stored), unknown)


def _answer(plan: _Plan, own: Candidates | Exception) -> Answer:
    if isinstance(own, Exception):
        raise own
    filled = fill_up(own, plan.request.n, plan.query.filters, plan.release.popular)
    return Answer(plan.cg.name, plan.user_known, filled, plan.unknown_items)


def user_known(cgs: Iterable[CandidateGenerator], user: Id, stored: History | None) -> bool:
    """Tell whether the history provider or one of the generators knows the user."""
    if stored is not None:
        return stored is not FORGOTTEN
    return any(isinstance(cg, KnowsUsers) and cg.knows(user) for cg in cgs)


def make_query(release: Release, request: Request, stored: History | None) -> tuple[Query, list[Id]]:
    """Return what generators are asked, and the unknown ids of a history that the request gives."""
    unknown: list[Id] = []
    history = stored or EMPTY
    if request.history:
        history, unknown = from_events(request.history, release.items)
    query = Query(
        user=request.user_id,
        history=history,
        history_given=bool(request.history),
        filters=make_filters(release, request, history),
    )
    return query, unknown


def make_filters(release: Release, request: Request, history: History) -> Filters:
    """Combine what a request excludes and allows; unknown ids play no part."""
    exclude_seen = release.manifest.exclude_seen if request.exclude_seen is None else request.exclude_seen
    excluded = history.items if exclude_seen else EMPTY.items
    if len(release.blocked):
        excluded = np.union1d(excluded, release.blocked).astype(np.int32) if len(excluded) else release.blocked
    if request.exclude:
        given = release.items.rows(request.exclude)
        excluded = np.union1d(excluded, given[given >= 0]).astype(np.int32)
    allowed: Bools = ALL_ALLOWED
    if request.categories:
        allowed = release.catalogue.in_categories(request.categories)
    if request.allow:
        given = release.items.rows(request.allow)
        only = np.zeros(len(release.items), np.bool_)
        only[given[given >= 0]] = True
        allowed = only & allowed if len(allowed) else only
    return Filters(excluded, allowed)
