"""How long a large release takes to start and to be swapped in: seconds, and gigabytes per second.

    python -m loadtest.swap [--gigabytes 5] [--folder DIR]

Arrays are mapped, but before they are, every worker reads every byte once: SHA-256, and whether floats are finite.
A worker remembers which files it found good as long as nobody touches them; nothing is written down, so another
process begins anew. Measured: start to first answer; a swap to the same files under a new release's name (a
rollback is the same); a swap after all files were touched, as new ones are; the longest gap between two answers to
a client that asks in a loop meanwhile.
"""

import argparse
import os
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from loadtest import servers
from loadtest.synthetic import DIM, ITEMS_PER_USER, Size, publish
from service.store import Store
from training.tables import markdown

SETTLE_SECONDS = 2.5
"""A file touched this recently is not remembered as good."""
PATIENCE_SECONDS = 600.0


def main() -> None:
    """Make the release, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=5.0, help="of the release: users with two embeddings")
    parser.add_argument("--folder", type=Path, help="keep the release here; default: a temporary folder")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="candgen-swap-") as temporary:
        root = args.folder or Path(temporary)
        if not (root / "CURRENT").exists():
            publish(root, size_of(args.gigabytes))
        print(markdown("step", measure(Store(root))))


def size_of(gigabytes: float) -> Size:
    """Return users enough for so many bytes: two vectors, two ids and a history each."""
    of_user = 2 * (4 * DIM + 8) + ITEMS_PER_USER * 16 + 16
    return Size(items=5000, users=max(1000, int(gigabytes * 1e9 / of_user)), dense=False)


def measure(store: Store) -> dict[str, dict[str, object]]:
    """Start the service, swap twice."""
    release = store.release()
    gigabytes = sum(store.manifest(*artifact).bytes for artifact in release.artifacts.items()) / 1e9
    time.sleep(SETTLE_SECONDS)
    started = time.perf_counter()
    with servers.service(store.root) as server:
        seconds = {"start to ready": (time.perf_counter() - started, 0.0)}
        seconds["swap, files known to be good"] = _swap(store, server.url)
        for path in store.root.glob("artifacts/*/*/*"):
            os.utime(path)
        seconds["swap, files to be verified"] = _swap(store, server.url)
    return {
        step: {
            "seconds": round(taken, 2),
            "GB": round(gigabytes, 2),
            "GB/s": round(gigabytes / taken, 2),
            "longest gap between answers, ms": round(1e3 * gap) if gap else None,
        }
        for step, (taken, gap) in seconds.items()
    }


def _swap(store: Store, url: str) -> tuple[float, float]:
    """Publish the same artifacts as a new release; return seconds until it answers, and the longest gap meanwhile."""
    gap = _Gap(lambda: _answer(url))
    with gap:
        started = time.perf_counter()
        name = store.publish().release
        while _answer(url) != name:
            if time.perf_counter() - started > PATIENCE_SECONDS:
                raise SystemExit(f"release {name} is not served after {PATIENCE_SECONDS:.0f} s; see /admin or the log")
            time.sleep(0.02)
        taken = time.perf_counter() - started
    return taken, gap.longest


def _answer(url: str) -> str:
    """Return the release that answers."""
    with urllib.request.urlopen(f"{url}/candidates/1?cg=slim&n=10", timeout=60) as answer:
        return str(answer.headers["x-model-release"])


class _Gap:
    """Asks in a loop, in a thread, for as long as it is entered."""

    def __init__(self, ask: Callable[[], object]) -> None:
        self._ask, self._over = ask, threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.longest = 0.0

    def _run(self) -> None:
        while not self._over.is_set():
            before = time.perf_counter()
            self._ask()
            self.longest = max(self.longest, time.perf_counter() - before)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


if __name__ == "__main__":
    main()
