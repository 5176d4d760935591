"""What a generator adds to a process that serves it: `python -m training.report.resident STORE [NAME …]`,
as JSON.

Each is loaded by a process of its own, a fork of this one, which has imported everything and loaded nothing.
"""

import json
import multiprocessing
import sys
from pathlib import Path

import numpy as np

from service import registry
from service.generate import Request, generate
from service.mix import MixRequest, mix
from service.registry import Release
from service.release_manifest import DATA, MIXIGEN, POPULAR
from service.store import Store

ASKED = 50
ALL = "all of the release"
_STATUS = Path("/proc/self/status")
Grown = dict[str, float]
"""MiB by which a process grew: `own` memory, and `mapped` files."""


def main(root: str, *names: str) -> dict[str, Grown]:
    """Measure models of the served release, by default every one and all together.

    Returns nothing where the system does not tell.
    """
    if not _STATUS.exists():
        return {}
    names = names or (*(name for name in Store(Path(root)).release().artifacts if name not in (DATA, MIXIGEN)), ALL)
    with multiprocessing.get_context("fork").Pool(1, maxtasksperchild=1) as pool:
        found = pool.starmap(_grown, [(root, name) for name in names * 2], chunksize=1)
    return dict(zip(names * 2, found, strict=True))  # the second time: the first may have to compile


def _grown(root: str, name: str) -> Grown:
    """Load the data alone and ask for popular items, then the generator too; return the difference."""
    store = Store(Path(root))
    wanted = store.release().artifacts
    _ask(_load(store, {DATA: wanted[DATA]}), POPULAR)
    before = _status()
    versions = dict(wanted) if name == ALL else {key: wanted[key] for key in (DATA, name)}
    release = _load(store, versions)
    _ask(release, name)
    after = _status()
    return {key: round(max(0, after[key] - before[key]) / 1024, 1) for key in before}


def _load(store: Store, versions: dict[str, str]) -> Release:
    artifacts = {key: store.artifact(key, version) for key, version in versions.items()}
    return registry.build(store.draft_release(versions, POPULAR), artifacts)


def _ask(release: Release, cg: str) -> None:
    known = np.flatnonzero(np.diff(release.history.indptr))[:ASKED]
    for user in release.users.ids_of(known.astype(np.int32)):
        stored = release.history.lookup(user)
        if cg == ALL:
            mix(release, MixRequest(user), stored)
        else:
            generate(release, Request(user, cg), stored)


def _status() -> dict[str, int]:
    lines = dict(line.split(":", 1) for line in _STATUS.read_text(encoding="utf-8").splitlines() if ":" in line)
    return {name: int(lines[key].split()[0]) for name, key in (("own", "RssAnon"), ("mapped", "RssFile"))}


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
