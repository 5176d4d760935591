"""The quality benchmark as a report: measured section by section, each kept, so that it can be resumed."""

import hashlib
import json
import os
import platform
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from service.artifact import Manifest
from service.store import Store
from training.errors import DataError
from training.events import read_events
from training.interactions import build, fingerprint
from training.output import write_events
from training.pipeline import Log, Plan, blender, fit_all, say
from training.report import page
from training.report.ann import ann
from training.report.bench import SEED, Bench
from training.report.blend import blend
from training.report.growth import growth
from training.report.memory import memory
from training.report.model import Section
from training.report.overlap import overlap
from training.report.pruning import pruning
from training.report.quality import quality
from training.report.speed import speed
from training.split import write_split

SECTIONS: Mapping[str, Callable[[Bench], list[Section]]] = {
    "quality": quality,
    "training time": growth,
    "memory": memory,
    "speed": speed,
    "ann": ann,
    "pruning": pruning,
    "overlap": overlap,
    "mixigen": blend,
}
QUICK_INTERACTIONS = 40_000
"""`--quick` takes so many users that they have about so many interactions."""


def run(dataset: str, plan: Plan, log: Log, out: Path, *, quick: bool) -> str:
    """Measure, write NAME.html, NAME.md and NAME.json into `out`, return the Markdown.

    What is measured already, with the same data and settings, is read from `out`/.NAME instead.
    """
    title = f"{dataset}-quick" if quick else dataset
    if quick:
        log = _smaller(plan, log)
    work = out / f".{title}"
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{out}: cannot be written ({error.strerror}); choose another --out") from None
    bench = _bench(dataset, plan, log, work, quick)
    sections = [section for name in SECTIONS for section in _section(name, bench, work)]
    return _write(out, title, _facts(bench, quick), sections)


def _smaller(plan: Plan, log: Log) -> Log:
    """Return the log of some users, split anew."""
    events = read_events(log.events)
    share = min(1.0, QUICK_INTERACTIONS / max(1, events.select(pl.len()).collect().item()))
    users = events.select("user_id").unique().collect()["user_id"].sort()
    n = max(min(50, len(users)), int(share * len(users)))
    small = Log(*(path.with_stem(f"{path.stem}-quick") for path in (log.events, log.train, log.test)))
    write_events(events.filter(pl.col("user_id").is_in(users.sample(n, seed=SEED).implode())), small.events)
    write_split(plan.split_by, read_events(small.events), small.train, small.test)
    return small


def _bench(dataset: str, plan: Plan, log: Log, work: Path, quick: bool) -> Bench:
    """Fit all models, unless the folder holds those of the same plan and data."""
    key = _key(plan, log)
    kept = work / "fits.json"
    store = Store(work / "store")
    versions = _read(kept, key)
    if versions is None:
        shutil.rmtree(work)
        work.mkdir()
        versions = fit_all(store, plan, log.train)
        versions |= store.add(blender(plan, log.train))
        store.publish(artifacts=versions, keep_base=False, exclude_seen=plan.exclude_seen, default_cg=plan.default_cg)
        _keep(kept, key, versions)
    return Bench(dataset, plan, log, store, versions, quick)


def _section(name: str, bench: Bench, work: Path) -> list[Section]:
    kept = work / f"{name.replace(' ', '-')}.json"
    key = json.dumps(bench.versions, sort_keys=True)
    found = _read(kept, key)
    if found is None:
        say(f"report: {name}")
        started = time.perf_counter()
        found = [section.model_dump() for section in SECTIONS[name](bench)]
        _keep(kept, key, found)
        say(f"report: {name} took {time.perf_counter() - started:.1f} s")
    return [Section.model_validate(section) for section in found]


def _key(plan: Plan, log: Log) -> str:
    data = [fingerprint(build(read_events(path))) for path in (log.train, log.test)]
    return hashlib.sha256(repr((plan, data)).encode()).hexdigest()


def _read(path: Path, key: str) -> Any:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return kept["value"] if kept.get("key") == key else None


def _keep(path: Path, key: str, value: object) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps({"key": key, "value": value}), encoding="utf-8")
    temporary.replace(path)


def _facts(bench: Bench, quick: bool) -> dict[str, str]:
    release = bench.release
    data: Manifest = release.artifacts["data"]
    return {
        "Train part": f"{len(release.users):,} users, {len(release.items):,} items; cut by {bench.plan.split_by}",
        "Machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "Made": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "Fingerprint of the data": data.data_fingerprint[:16],
        **({"Quick": "a sample of the users: for a look, not for a decision"} if quick else {}),
    }


def _write(out: Path, title: str, facts: Mapping[str, str], sections: list[Section]) -> str:
    text = page.text(title, facts, sections)
    content = {"facts": facts, "sections": [section.model_dump() for section in sections]}
    (out / f"{title}.html").write_text(page.html(f"Candgen: {title}", facts, sections), encoding="utf-8")
    (out / f"{title}.md").write_text(text, encoding="utf-8")
    (out / f"{title}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return text
