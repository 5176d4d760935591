"""The quality benchmark: every model of a preset on the train part, measured on the test part."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from service.store import Store
from training.errors import DataError
from training.events import read_events
from training.pipeline import SEEN, Log, Plan, Table, fit_all, measure, quality_table
from training.tables import markdown

REFERENCE_LEVELS: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "lavka": {"ease": (0.04, 0.15), "slim": (0.04, 0.12), "bpr": (0.07, 0.18), "adaptive_bpr": (0.09, 0.20)},
}
"""Dataset → algorithm → recall@10, recall@50 that the reference states for its default parameters."""


def run(plan: Plan, log: Log, store: Store) -> tuple[Table, Table]:
    """Fit the plan's models in `store`; return one row for each: quality, and time and size of the fit."""
    versions = fit_all(store, plan, log.train)
    quality = quality_table(measure(store, plan, versions, read_events(log.test)))
    fits: Table = {}
    for name, version in versions.items():
        manifest = store.manifest(name, version)
        fits[name] = {"fit seconds": manifest.fit_seconds, "MiB": round(manifest.bytes / 2**20, 1)}
    return quality, fits


def with_reference_levels(quality: Table, dataset: str) -> Table:
    """Add the levels that the reference states, and whether the better of both settings reaches them."""
    levels = REFERENCE_LEVELS.get(dataset, {})
    rows = {name: dict(row) for name, row in quality.items()}
    for name, (at_10, at_50) in levels.items():
        if name not in rows:
            continue
        rows[name]["reference @10/@50"] = f"{at_10:.2f}/{at_50:.2f}"
        for label in SEEN:
            reached = [
                _number(rows[name].get(f"recall@{k}, {label}")) >= level for k, level in ((10, at_10), (50, at_50))
            ]
            rows[name][f"reached, {label}"] = "pass" if all(reached) else "fail"
    return rows


def write(out: Path, dataset: str, tables: Mapping[str, Table]) -> str:
    """Write the tables as Markdown and JSON; return the Markdown."""
    text = "\n\n".join(f"## {title}\n\n{markdown(dataset, rows)}" for title, rows in tables.items() if rows) + "\n"
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / f"{dataset}.md").write_text(f"# {dataset}\n\n{text}", encoding="utf-8")
        (out / f"{dataset}.json").write_text(json.dumps(tables, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise DataError(f"{out}: cannot be written ({error.strerror})") from None
    return text


def _number(value: Any) -> float:
    return float(value) if isinstance(value, float | int) else 0.0
