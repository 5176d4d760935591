"""`python -m tests.faults.full_disk FOLDER ROUNDS`, on a small tmpfs: publishers who run out of room at every size."""

import os
import sys
from pathlib import Path

from service import registry
from service.errors import NotWritableError, StoreError
from service.store import Store
from tests.stores import tiny_store


def main(folder: Path, rounds: int) -> None:
    """Print how many publishers were refused and how many were not; exit status 1 if anything is torn."""
    store = tiny_store(folder / "store")
    refused = published = 0
    filler = folder / "filler"
    for turn in range(rounds):
        before, releases, artifacts = store.current(), store.releases(), _artifacts(folder)
        _leave(filler, turn * 256 * 1024 // rounds)
        try:
            tiny_store(folder / "store", seed=turn + 1)
            published += 1
        except (NotWritableError, StoreError) as error:
            refused += 1
            wrong = "" if "No space left" in str(error) else f"refused for another reason: {error}"
            assert not wrong, wrong
            assert store.current() == before
            assert store.releases() == releases
            assert _artifacts(folder) == artifacts
            assert not list(folder.rglob(".tmp-*")), "a disk that is full must not stay full of this"
        filler.unlink()
        assert registry.load(Store(folder / "store")).name == store.current()
        store.prune(keep=1)
    print(refused, published)


def _artifacts(folder: Path) -> set[Path]:
    return set((folder / "store" / "artifacts").glob("*/*"))


def _leave(filler: Path, room: int) -> None:
    """Fill the disk up to so many bytes."""
    with filler.open("wb") as file:
        free = os.statvfs(filler.parent)
        file.truncate(0)
        os.posix_fallocate(file.fileno(), 0, max(1, free.f_bavail * free.f_frsize - room))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
