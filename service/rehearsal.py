"""Golden requests: what a release must be able to answer before a caller may ask it.

Checksums say that the files are what the fit wrote; this says that they are worth serving. It also
compiles what is left to compile, and pages in what requests will read.
"""

import fcntl
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from service import compact_kernels, history_kernels, json_kernels, kernels, mix_kernels
from service.cg.base import Candidates, SimilarItems
from service.errors import StoreError
from service.generate import Request, generate
from service.ids import Id
from service.mix import MixRequest, mix
from service.registry import Release
from service.similar import similar

PROBED_USERS = 5
_N = 100


def compile_kernels() -> None:
    """Compile the kernels, or load them from numba's cache, one process at a time.

    Workers that write the cache at the same moment can crash one another (numba #4807); the lock
    is on a source file because that always exists and need not be writable.
    """
    with Path(kernels.__file__).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        kernels.warm_up()
        history_kernels.warm_up()
        compact_kernels.warm_up()
        mix_kernels.warm_up()
        json_kernels.warm_up()


def rehearse(release: Release) -> None:
    """Ask every generator, and the blend, for some users known and unknown.

    Raises:
        StoreError: an answer is none: not finite, not sorted, an item twice or of no release.
    """
    release.item_json(as_strings=False)
    for request in _requests(release):
        stored = release.history.lookup(request.user_id)
        for name, cg in release.cgs.items():
            asked = Request(request.user_id, cg=name, n=_N, exclude_seen=False, history=request.history)
            _check(release, name, generate(release, asked, stored).result.own)
            if isinstance(cg, SimilarItems) and request.history:
                _check(release, name, similar(release, request.history[0], asked).result)
        blended = mix(release, MixRequest(request.user_id, n=_N, history=request.history), stored)
        failed = [part.removeprefix("cg:") for part in blended.degraded]
        if failed:
            raise StoreError(f"release {release.name}: {', '.join(failed)} failed in a rehearsal; see the log")


def _requests(release: Release) -> Iterator[Request]:
    """Users spread over the release, and somebody who brings a history."""
    rows = np.unique(np.linspace(0, len(release.users) - 1, PROBED_USERS).astype(np.int32))
    yield from (Request(user) for user in release.users.ids_of(rows[: len(release.users)]))
    if len(release.items):
        yield Request(_nobody(release), history=release.items.ids_of(release.popular.order[:1]))


def _nobody(release: Release) -> Id:
    return "" if release.users.type == "string" else -(2**63)


def _check(release: Release, name: str, answer: Candidates) -> None:
    items, scores = answer.items, answer.scores
    faults = {
        "scores are not finite": not np.isfinite(scores).all(),
        "scores are not sorted": (scores[1:] > scores[:-1]).any(),
        "items occur twice": len(np.unique(items)) != len(items),
        "items are not in the release": len(items) and not 0 <= items.min() <= items.max() < len(release.items),
    }
    found = [fault for fault, is_so in faults.items() if is_so]
    if found:
        raise StoreError(f"release {release.name}: in a rehearsal of {name} {'; '.join(found)}; fit it again")
