"""The whole offline line: prepare → split → fit → evaluate → refit on everything → one publish."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from service import registry
from service.store import ReleaseManifest, Store
from training import preset
from training.algorithms import ALGORITHMS
from training.errors import DataError
from training.evaluation import By, Settings, evaluate
from training.events import read_events
from training.fitting import Model, fit
from training.interactions import build


@dataclass(frozen=True)
class Plan:
    """What a preset says of a whole release."""

    models: list[Model]
    by: By
    exclude_seen: bool
    default_cg: str


def make_plan(tables: Mapping[str, Mapping[str, Any]]) -> Plan:
    """Read a preset: one model for each table of an algorithm, settings from the table `release`."""
    settings = tables.get("release", {})
    names = [name for name in tables if name in ALGORITHMS]
    return Plan(
        models=[Model(name, name, tables[name]) for name in names],
        by=settings.get("split_by", "time"),
        exclude_seen=settings.get("exclude_seen", True),
        default_cg=settings.get("default_cg", names[0]),
    )


def run(
    store: Store, plan: Plan, train: Path, test: Path, everything: Path, refit: bool
) -> tuple[ReleaseManifest, dict[str, dict[str, float]]]:
    """Fit on the train part, measure on the test part, publish models fitted on all (or the train part).

    Returns the release and the quality of both ways of treating seen items.
    """
    versions = _fit_all(store, plan, train)
    quality = _evaluate(store, plan, versions, read_events(test))
    if refit:
        _say("refitting on all events")
        versions = _fit_all(store, plan, everything)
    release = store.publish(
        artifacts=versions,
        keep_base=False,
        exclude_seen=plan.exclude_seen,
        default_cg=plan.default_cg,
        metrics=quality,
    )
    return release, quality


def plan_for(dataset: str) -> Plan:
    """Return the plan of a dataset's preset, or every algorithm with its defaults."""
    if dataset in preset.names():
        return make_plan(preset.load(dataset))
    return make_plan({name: {} for name in ALGORITHMS})


def _fit_all(store: Store, plan: Plan, events: Path) -> dict[str, str]:
    """Fit one model after the other; each is written before the next is begun, to bound the memory."""
    versions: dict[str, str] = {}
    for draft in fit(build(read_events(events)), plan.models):
        versions |= store.add([draft])
        if draft.fit_seconds is not None:
            _say(f"{draft.name} fitted in {draft.fit_seconds:.1f} s")
    return versions


def _evaluate(
    store: Store, plan: Plan, versions: Mapping[str, str], test: pl.LazyFrame
) -> dict[str, dict[str, float]]:
    artifacts = {name: store.artifact(name, version) for name, version in versions.items()}
    release = registry.build(store.draft_release(versions, plan.default_cg), artifacts)
    by: By = "user" if plan.by == "user" else "request"
    quality: dict[str, dict[str, float]] = {}
    for exclude_seen, label in ((False, "seen allowed"), (True, "seen excluded")):
        try:
            found = evaluate(release, test, settings=Settings(by=by, exclude_seen=exclude_seen))
        except DataError as error:
            _say(f"{label}: not measured ({error})")
            continue
        quality |= {f"{name}, {label}": values for name, values in found.items()}
    return quality


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
