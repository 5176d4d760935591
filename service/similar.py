"""Items that go with one item, by a generator that can say so."""

from service.cg.base import Candidates, SimilarItems
from service.errors import NotAbleError, UnknownItemError
from service.generate import Request, make_filters
from service.history import EMPTY
from service.ids import Id
from service.record import record
from service.registry import Release


@record
class Similar:
    """What goes with an item, best first."""

    item_id: Id
    cg: str
    result: Candidates


def similar(release: Release, item_id: Id, request: Request) -> Similar:
    """Rank the items that go with an item; of the request only cg, n and the filters are used.

    Without a cg: the release's default if it is able, else the first by name that is.

    Raises:
        UnknownItemError: the release does not have the item.
        UnknownCGError: the release has no such generator.
        NotAbleError: it has, but that one cannot rank by an item.
    """
    row = release.items.row(item_id)
    if row < 0:
        raise UnknownItemError(f"release {release.name} has no item {item_id!r}")
    name = request.cg or _default(release)
    cg = release.cg(name)
    if not isinstance(cg, SimilarItems):
        raise NotAbleError(f"the candidate generator {cg.name!r} cannot rank by an item", able(release))
    filters = make_filters(release, request, EMPTY)
    return Similar(item_id, cg.name, cg.similar(row, filters).top(request.n))


def able(release: Release) -> list[str]:
    """Return the names of the generators that can rank by an item."""
    return [name for name, cg in release.cgs.items() if isinstance(cg, SimilarItems)]


def _default(release: Release) -> str:
    default = release.manifest.default_cg
    names = able(release)
    return default if default in names or not names else names[0]
