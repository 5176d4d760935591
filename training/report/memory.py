"""What the stored generators take: bytes on disk, and resident bytes once they have answered."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from numpy.typing import NDArray

from service import hnsw
from service.artifact import Draft, Manifest
from service.release_manifest import DATA
from service.store import Store
from training.artifacts import weight_arrays
from training.errors import DataError
from training.report.ann import embeddings, graph_of
from training.report.bench import EASE, Bench
from training.report.model import Chart, Point, Section, Table
from training.report.pruning import prunable
from training.report.resident import ALL, ASKED
from training.top_weights import keep_largest

MIB = 2**20
SPARSE = 100
"""Weights of a row that a sparse EASE is shown with."""
ARRAYS = "arrays"
FILES, OWN, MAPPED = "files on disk, MiB", "own memory, MiB", f"mapped after {ASKED} requests, MiB"


def memory(bench: Bench) -> list[Section]:
    """Load each generator in a process of its own, ask it for some users, and see what that added."""
    grown = bench.kept.once("memory resident", partial(_resident, bench.store))
    rows = {
        name: _row(bench.store.manifest(name, bench.versions[name]), grown.get(name, {}))
        for name in bench.versions
        if name in bench.release.cgs
    }
    total = sum(bench.store.manifest(name, version).bytes for name, version in bench.versions.items())
    largest = max(rows, key=lambda name: rows[name][FILES])
    see = (
        f"{largest} is the largest on disk ({rows[largest][FILES]:,.1f} MiB); mapped pages are shared by all workers, "
        "own memory (graphs, lookup tables, compiled code) is each worker's; rows with a comma are other forms that "
        "the same model can be served in."
    )
    series = {
        label: [Point(x=name, y=row[key]) for name, row in rows.items() if row[key]]
        for label, key in (("files on disk", FILES), ("mapped", MAPPED), ("own memory", OWN))
    }
    chart = Chart(
        kind="bars", x_label="generator", y_label="MiB (logarithmic; no dot: no growth seen)", series=series, log_y=True
    )
    together = grown.get(ALL, {})
    table: Table = rows | {
        ALL: {FILES: round(total / MIB, 3), MAPPED: together.get("mapped"), OWN: together.get("own")}
    }
    return [Section(title="Memory", see=see, table=table | _other_forms(bench), charts=[chart])]


def _row(manifest: Manifest, grown: Mapping[str, float]) -> dict[str, Any]:
    arrays = [
        f"{key} {'×'.join(map(str, entry.shape))}"
        for key, entry in manifest.arrays.items()
        if key not in ("item_ids", "user_ids")
    ]
    return {
        FILES: round(manifest.bytes / MIB, 3),
        MAPPED: grown.get("mapped"),
        OWN: grown.get("own"),
        ARRAYS: ", ".join([*arrays, *manifest.files]),
    }


def _other_forms(bench: Bench) -> Table:
    """Measure an embedding with a graph, EASE with all weights and with few, where that is not what is served."""
    served = {name: bench.store.manifest(name, version) for name, version in bench.versions.items()}
    forms = [
        (name, "with a graph", partial(_with_graph, bench, name))
        for name in embeddings(bench)
        if not served[name].files
    ]
    if prunable(bench, None) and "weights" not in served[EASE].arrays:
        forms.append((EASE, "dense", partial(_with_weights, bench, None)))
    if prunable(bench, SPARSE):
        forms.append((EASE, f"{SPARSE} largest of a row", partial(_with_weights, bench, SPARSE)))
    return {
        f"{name}, {form}": bench.kept.once(f"memory {name} {form}", partial(_measure, bench, name, make))
        for name, form, make in forms
    }


def _with_graph(bench: Bench, name: str) -> Draft:
    served = bench.store.artifact(name, bench.versions[name])
    arrays = {key: array for key, array in served.arrays.items() if not key.startswith("scan_")}
    return _draft(served.manifest, arrays, hnsw.files(graph_of(bench, name)))


def _with_weights(bench: Bench, k: int | None) -> Draft:
    served, W = bench.store.artifact(EASE, bench.versions[EASE]), bench.dense_ease
    weights = weight_arrays(W if k is None else keep_largest(W, k))
    return _draft(served.manifest, {"item_ids": served.arrays["item_ids"], **weights}, {})


def _draft(served: Manifest, arrays: Mapping[str, NDArray[Any]], files: Mapping[str, bytes]) -> Draft:
    same = {"name", "algorithm", "config", "item_id_type", "user_id_type", "data_fingerprint", "created"}
    return Draft(**served.model_dump(include=same), arrays=arrays, files=files)


def _measure(bench: Bench, name: str, make: Callable[[], Draft]) -> dict[str, Any]:
    """Serve a model in another form, from a store of its own."""
    data = bench.versions[DATA]
    with tempfile.TemporaryDirectory(dir=bench.kept.folder) as folder:
        store = Store(folder)
        shutil.copytree(bench.store.artifact_folder(DATA, data), store.artifact_folder(DATA, data))
        version = store.publish([make()], artifacts={DATA: data}, default_cg=name).artifacts[name]
        return _row(store.manifest(name, version), _resident(store, name).get(name, {}))


def _resident(store: Store, *names: str) -> dict[str, dict[str, float]]:
    command = [sys.executable, "-m", "training.report.resident", str(store.root), *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (our own program)
    if done.returncode:
        raise DataError(f"the resident memory could not be measured: {done.stderr[-300:].strip()}")
    grown: dict[str, dict[str, float]] = json.loads(done.stdout)
    return grown
