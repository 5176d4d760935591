"""Lists by name, as `evaluate` and `candidates` take them: a generator of the release, or a mix of them."""

from collections.abc import Iterator, Mapping, Sequence

from service.errors import UnknownCGError
from service.fill import Filled
from service.generate import Request, generate
from service.ids import Id
from service.mix import MixRequest, mix
from service.mix_features import Context
from service.registry import Release
from training.offline import in_order

MIXES: Mapping[str, str | None] = {
    "mix": None,
    "mix:rrf": "rrf",
    "mix:round_robin": "round_robin",
    "mix:quota": "quota",
}
"""Name → strategy, None for the release's default; all with its default generators."""


def check_name(release: Release, name: str) -> None:
    """Raise UnknownCGError for a name that stands for no list; a generator's name goes before a mix's."""
    if name not in release.cgs and name not in MIXES:
        raise UnknownCGError(name, [*release.cgs, *MIXES])


def depends_on_context(release: Release, name: str) -> bool:
    """Whether a user's list is another one at another time or place."""
    return name not in release.cgs and MIXES[name] is None and release.mixigen is not None


def results(
    release: Release,
    name: str,
    users: Sequence[Id],
    n: int,
    exclude_seen: bool | None,
    label: str,
    contexts: Sequence[Context] | None = None,
) -> Iterator[Filled]:
    """Yield the list of each user in order, filled up as it is served; contexts: one for each, else now."""
    check_name(release, name)

    def of_cg(user: Id) -> Filled:
        return generate(release, Request(user, name, n, exclude_seen), release.history.lookup(user)).result

    def of_mix(row: int) -> Filled:
        user, context = users[row], contexts[row] if contexts else None
        request = MixRequest(
            user,
            n=n,
            exclude_seen=exclude_seen,
            strategy=MIXES[name],
            city_name=context.city_name if context else None,
            store_id=context.store_id if context else None,
            timestamp=context.timestamp if context else None,
        )
        return mix(release, request, release.history.lookup(user)).result

    if name in release.cgs:
        return in_order(of_cg, users, label)
    return in_order(of_mix, range(len(users)), label)
