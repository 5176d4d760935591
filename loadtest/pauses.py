"""How long Python's garbage collector stops requests: pauses by generation, with and without `gc.freeze`.

    python -m loadtest.pauses --store DIR [--requests 3000]

The service freezes what it has loaded (`service.swap`); here the same requests, in process, are answered once with
that and once without.
"""

import argparse
import gc
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from loadtest.paths import sample
from service import registry
from service.generate import Request, generate
from service.registry import Release
from service.rehearsal import compile_kernels, rehearse
from service.store import Store
from training.tables import markdown

Pauses = dict[int, list[float]]
"""Generation → seconds of each collection."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, default=Path("models_store"))
    parser.add_argument("--cg", help="default: the release's")
    parser.add_argument("--requests", type=int, default=3000)
    args = parser.parse_args()
    compile_kernels()
    release = registry.load(Store(args.store))
    rehearse(release)
    print(markdown("", measure(release, args.cg, args.requests)))


def measure(release: Release, cg: str | None, n_requests: int) -> dict[str, dict[str, object]]:
    """Answer with everything in the collector's sight, then with what was loaded frozen."""
    table = {"as loaded": _answer(release, cg, n_requests)}
    gc.collect()
    gc.freeze()
    try:
        table["frozen"] = _answer(release, cg, n_requests)
    finally:
        gc.unfreeze()
    return table


def _answer(release: Release, cg: str | None, n_requests: int) -> dict[str, object]:
    users = sample(release.users.ids_of(slice(None)), n_requests, seed=0)
    with _pauses() as pauses:
        started = time.perf_counter()
        for user in users:
            generate(release, Request(user, cg), release.history.lookup(user))
        seconds = time.perf_counter() - started
        gc.collect()  # what a full collection takes, whether or not one was due
    full = pauses[2].pop()
    own = [pause for some in pauses.values() for pause in some]
    return {
        "requests": n_requests,
        "collections by generation": " + ".join(f"{len(pauses[generation])}" for generation in range(3)),
        "share of the time": f"{sum(own) / seconds:.2%}",
        "longest, ms": f"{1e3 * max(own, default=0.0):.3f}",
        "a full one, ms": f"{1e3 * full:.1f}",
    }


@contextmanager
def _pauses() -> Iterator[Pauses]:
    pauses, started = defaultdict(list), [0.0]

    def note(phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            started[0] = time.perf_counter()
        else:
            pauses[info["generation"]].append(time.perf_counter() - started[0])

    gc.callbacks.append(note)
    try:
        yield pauses
    finally:
        gc.callbacks.remove(note)


if __name__ == "__main__":
    main()
