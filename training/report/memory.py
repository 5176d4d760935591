"""What the stored generators take: bytes on disk, and resident bytes once they have answered."""

from pathlib import Path

from service import registry
from service.generate import Request, generate
from service.store import DATA
from training.report.bench import Bench
from training.report.model import Chart, Point, Section, Table

MIB = 2**20
_ASKED = 50
_STATUS = Path("/proc/self/status")


def memory(bench: Bench) -> list[Section]:
    """Load each generator by itself, ask it for some users, and see what that added to this process."""
    table: Table = {}
    for name, version in bench.versions.items():
        if name == DATA or name not in bench.release.cgs:
            continue
        manifest = bench.store.manifest(name, version)
        own, mapped = _resident(bench, name)
        table[name] = {
            "arrays": ", ".join(sorted(set(manifest.arrays) - {"item_ids", "user_ids"})),
            "files on disk, MiB": round(manifest.bytes / MIB, 2),
            "of them graph, MiB": round(sum(file.size for file in manifest.files.values()) / MIB, 2),
            f"mapped after {_ASKED} requests, MiB": mapped,
            "own memory, MiB": own,
        }
    largest = max(table, key=lambda name: table[name]["files on disk, MiB"])
    see = (
        f"{largest} is the largest; mapped pages are shared by all workers, own memory (graphs, lookup tables) is "
        "each worker's."
    )
    points = [Point(x=name, y=row["files on disk, MiB"]) for name, row in table.items()]
    chart = Chart(kind="bars", x_label="generator", y_label="MiB on disk", series={"files": points})
    return [Section(title="Memory", see=see, table=table, chart=chart)]


def _resident(bench: Bench, name: str) -> tuple[float | None, float | None]:
    """Return by how many MiB the process grew: its own memory, and mapped files; None off Linux."""
    before = _status()
    versions = {key: bench.versions[key] for key in (DATA, name)}
    artifacts = {key: bench.store.artifact(key, version) for key, version in versions.items()}
    release = registry.build(bench.store.draft_release(versions, name), artifacts)
    for user in bench.users(_ASKED):
        generate(release, Request(user, name), release.history.lookup(user))
    after = _status()
    if before is None or after is None:
        return None, None
    own, mapped = (round(max(0, b - a) / 1024, 1) for a, b in zip(before, after, strict=True))
    return own, mapped


def _status() -> tuple[int, int] | None:
    if not _STATUS.exists():
        return None
    lines = dict(line.split(":", 1) for line in _STATUS.read_text(encoding="utf-8").splitlines() if ":" in line)
    own, mapped = (int(lines[key].split()[0]) for key in ("RssAnon", "RssFile"))
    return own, mapped
