"""What the stored generators take: bytes on disk, and resident bytes once they have answered."""

import json
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from typing import Any

from training.errors import DataError
from training.report.ann import embeddings, graph_and_scan
from training.report.bench import Bench
from training.report.model import Chart, Point, Section, Table
from training.report.pruning import pruned_to
from training.report.resident import ALL, ASKED

MIB = 2**20
SPARSE = 100
"""Weights of a row that a sparse EASE is shown with."""
ARRAYS = "arrays"
FILES, OWN, MAPPED = "files on disk, MiB", "own memory, MiB", f"mapped after {ASKED} requests, MiB"


def memory(bench: Bench) -> list[Section]:
    """Load each generator in a process of its own, ask it for some users, and see what that added."""
    grown = bench.kept.once("memory resident", partial(_resident, bench))
    rows = {name: _row(bench, name, grown.get(name, {})) for name in bench.versions if name in bench.release.cgs}
    total = sum(bench.store.manifest(name, version).bytes for name, version in bench.versions.items())
    largest = max(rows, key=lambda name: rows[name][FILES])
    see = (
        f"{largest} is the largest on disk ({rows[largest][FILES]:,.1f} MiB); mapped pages are shared by all workers, "
        "own memory (graphs, lookup tables, compiled code) is each worker's; rows with a comma are other forms that "
        "the same model can be served in."
    )
    series = {
        label: [Point(x=name, y=max(row[key] or 0.0, 0.1)) for name, row in rows.items()]
        for label, key in (("files on disk", FILES), ("mapped", MAPPED), ("own memory", OWN))
    }
    chart = Chart(
        kind="bars", x_label="generator", y_label="MiB (logarithmic, 0.1 or less at 0.1)", series=series, log_y=True
    )
    together = grown.get(ALL, {})
    table: Table = rows | {
        ALL: {FILES: round(total / MIB, 2), MAPPED: together.get("mapped"), OWN: together.get("own")}
    }
    return [Section(title="Memory", see=see, table=table | _other_forms(bench), charts=[chart])]


def _row(bench: Bench, name: str, grown: Mapping[str, float]) -> dict[str, Any]:
    manifest = bench.store.manifest(name, bench.versions[name])
    arrays = [
        f"{key} {'×'.join(map(str, entry.shape))}"
        for key, entry in manifest.arrays.items()
        if key not in ("item_ids", "user_ids")
    ]
    return {
        FILES: round(manifest.bytes / MIB, 2),
        MAPPED: grown.get("mapped"),
        OWN: grown.get("own"),
        ARRAYS: ", ".join([*arrays, *manifest.files]),
    }


def _other_forms(bench: Bench) -> Table:
    """Say what a graph adds to an embedding, and what a sparse EASE takes instead of a dense one."""
    rows: Table = {}
    for name in embeddings(bench):
        size = graph_and_scan(bench, name)["graph MiB"]
        rows[f"{name}, its graph"] = {FILES: size, OWN: size, ARRAYS: "index.bin; not mapped: each worker's own"}
    sparse = pruned_to(bench, SPARSE)
    if sparse:
        rows[f"ease, {SPARSE} largest of a row"] = {FILES: sparse["MiB"], ARRAYS: "sparse weights"}
    return rows


def _resident(bench: Bench) -> dict[str, dict[str, float]]:
    command = [sys.executable, "-m", "training.report.resident", str(bench.store.root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (our own program)
    if done.returncode:
        raise DataError(f"the resident memory could not be measured: {done.stderr[-300:].strip()}")
    grown: dict[str, dict[str, float]] = json.loads(done.stdout)
    return grown
