"""The whole offline line: prepare → split → fit → mixigen → evaluate → refit on everything → one publish."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from service import registry
from service.artifact import Draft
from service.release_manifest import ReleaseManifest
from service.store import Store
from training import mixigen_stage, preset
from training.algorithms import ALGORITHMS
from training.datasets import write
from training.errors import DataError
from training.evaluation import By, Settings, evaluate
from training.events import read_events
from training.fitting import Model, fit
from training.interactions import build
from training.split import By as SplitBy
from training.split import write_split

Quality = dict[str, dict[str, dict[str, float]]]
"""How seen items are treated → generator → metric → value."""
Table = dict[str, dict[str, object]]
SEEN: Mapping[str, bool] = {"seen allowed": False, "seen excluded": True}


@dataclass(frozen=True)
class Log:
    """Files of one dataset: all events, and the two parts they were split into."""

    events: Path
    train: Path
    test: Path

    @classmethod
    def prepare(cls, dataset: str, options: Mapping[str, Any], split_by: SplitBy, folder: Path) -> "Log":
        """Write a dataset and its split into a folder."""
        log = cls(*(folder / f"{name}.parquet" for name in ("events", "train", "test")))
        say(f"{dataset}: {write(dataset, options, log.events):,} events")
        write_split(split_by, read_events(log.events), log.train, log.test)
        return log


@dataclass(frozen=True)
class Plan:
    """What a preset says of a whole release."""

    models: list[Model]
    split_by: SplitBy
    exclude_seen: bool
    default_cg: str

    @property
    def unit(self) -> By:
        """What quality is averaged over: requests after a cut in time, users where each has its own."""
        return "user" if self.split_by == "user" else "request"


def make_plan(tables: Mapping[str, Mapping[str, Any]]) -> Plan:
    """Read a preset: one model for each table of an algorithm, settings from the table `release`."""
    settings = tables.get("release", {})
    names = [name for name in tables if name in ALGORITHMS]
    return Plan(
        models=[Model(name, name, tables[name]) for name in names],
        split_by=settings.get("split_by", "time"),
        exclude_seen=settings.get("exclude_seen", True),
        default_cg=settings.get("default_cg", names[0]),
    )


def plan_for(dataset: str) -> Plan:
    """Return the plan of a dataset's preset, or every algorithm with its defaults."""
    if dataset in preset.names():
        return make_plan(preset.load(dataset))
    return make_plan({name: {} for name in ALGORITHMS})


def run(store: Store, scratch: Store, plan: Plan, log: Log, refit: bool) -> tuple[ReleaseManifest, Quality]:
    """Fit on the train part, measure on the test part, publish models fitted on all (or the train part).

    With `refit` the models that are measured live in `scratch` only. Returns the release and its quality.
    """
    measured = scratch if refit else store
    versions = fit_all(measured, plan, log.train)
    drafts = blender(plan, log.train)
    versions |= measured.add(drafts)
    quality = measure(measured, plan, versions, read_events(log.test))
    if refit:
        say("refitting on all events")
        versions = fit_all(store, plan, log.events) | store.add(drafts)
    release = store.publish(
        artifacts=versions,
        keep_base=False,
        exclude_seen=plan.exclude_seen,
        default_cg=plan.default_cg,
        metrics=quality,
    )
    return release, quality


def fit_all(store: Store, plan: Plan, events: Path) -> dict[str, str]:
    """Fit one model after the other; each is written before the next is begun, to bound the memory."""
    versions: dict[str, str] = {}
    for draft in fit(build(read_events(events)), plan.models):
        versions |= store.add([draft])
        if draft.fit_seconds is not None:
            say(f"{draft.name} fitted in {draft.fit_seconds:.1f} s")
    return versions


def measure(store: Store, plan: Plan, versions: Mapping[str, str], test: pl.LazyFrame) -> Quality:
    """Evaluate artifacts of a store that are not published, with seen items allowed and excluded."""
    artifacts = {name: store.artifact(name, version) for name, version in versions.items()}
    release = registry.build(store.draft_release(versions, plan.default_cg), artifacts)
    names = [*sorted(release.cgs), *(["mix", "mix:rrf"] if release.mixigen else [])]
    quality: Quality = {}
    for label, exclude_seen in SEEN.items():
        try:
            quality[label] = evaluate(release, test, names, Settings(by=plan.unit, exclude_seen=exclude_seen))
        except DataError as error:
            say(f"{label}: not measured ({error})")
    return quality


def blender(plan: Plan, train: Path) -> list[Draft]:
    """Train a MixiGen on the train part, which cuts it along its own time line; none where that is too short."""
    try:
        draft = mixigen_stage.train(read_events(train), plan.models)
    except DataError as error:
        say(f"no MixiGen: {error}")
        return []
    say(f"mixigen trained in {draft.fit_seconds:.1f} s")
    return [draft]


def quality_table(quality: Quality) -> Table:
    """Lay out recall@10 and recall@50 of both ways, one row for each generator."""
    rows: Table = {}
    for label, of_cg in quality.items():
        for name, values in of_cg.items():
            row = rows.setdefault(name, {})
            row |= {f"{metric}, {label}": values[metric] for metric in ("recall@10", "recall@50")}
    return rows


def say(text: str) -> None:
    """Report progress."""
    print(text, file=sys.stderr, flush=True)
