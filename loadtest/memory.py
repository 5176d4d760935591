"""What memory a process uses, as the kernel counts it."""

from pathlib import Path
from typing import NamedTuple


class Memory(NamedTuple):
    """Megabytes; a page that several processes share is split among them (PSS)."""

    total: float
    own: float
    """Anonymous: heaps, and what was read instead of mapped."""
    mapped: float
    """Of files: arrays of the release, libraries."""


def memory_mb(pid: int | str = "self") -> Memory:
    """Return the proportional set size of a process."""
    sizes = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, size, *_ = line.split()
        sizes[name] = int(size) / 1024
    return Memory(sizes["Pss:"], sizes["Pss_Anon:"], sizes["Pss_File:"])


def store_memory_mb(pid: int, store: Path) -> tuple[float, float]:
    """Return megabytes of the store's files that a process has mapped and touched: PSS, and RSS (not split)."""
    prefix, inside, pss, rss = str(store.resolve()), False, 0.0, 0.0
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        name, *rest = line.split()
        if not name.endswith(":"):
            inside = len(rest) >= 5 and " ".join(rest[4:]).startswith(prefix)
        elif inside and name == "Pss:":
            pss += int(rest[0]) / 1024
        elif inside and name == "Rss:":
            rss += int(rest[0]) / 1024
    return pss, rss
