"""The quality benchmark as a report: measured section by section, each kept, so that it can be resumed."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from service.artifact import Manifest
from service.store import Store
from training.errors import DataError
from training.events import POSITIVE_ACTIONS, read_events
from training.interactions import build, fingerprint
from training.output import write_events
from training.pipeline import Log, Plan, blender, fit_all, say
from training.report import page
from training.report.ann import ann
from training.report.bench import SEED, Bench
from training.report.blend import blend
from training.report.conditions import conditions, machine
from training.report.growth import growth
from training.report.kept import Kept
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
"""What is measured under a name begins with it: `Kept.forget`."""
QUICK_INTERACTIONS = 150_000
"""`--quick` takes so many users that they have about so many interactions."""


def run(dataset: str, plan: Plan, log: Log, out: Path, *, quick: bool, again: Sequence[str] = ()) -> str:
    """Measure, write NAME.html, NAME.md with its pictures and NAME.json into `out`, return the Markdown.

    What is measured already, with the same data and settings, is read from `out`/.NAME instead; the sections
    named in `again` are measured anew.
    """
    title = f"{dataset}-quick" if quick else dataset
    if quick:
        log = _smaller(plan, log)
    try:
        kept = Kept(out / f".{title}", _key(plan, log))
    except OSError as error:
        raise DataError(f"{out}: cannot be written ({error.strerror}); choose another --out") from None
    for name in again:
        kept.forget(name)
    bench = _bench(dataset, plan, log, kept, quick)
    sections = [section for name in SECTIONS for section in _section(name, bench)]
    return _write(out, title, _facts(bench), sections)


def _smaller(plan: Plan, log: Log) -> Log:
    """Return the log of some users, split anew."""
    events = read_events(log.events)
    n_positive = events.filter(pl.col("action_type").is_in(POSITIVE_ACTIONS)).select(pl.len()).collect().item()
    users = events.select("user_id").unique().collect()["user_id"].sort()
    n = max(min(50, len(users)), int(min(1.0, QUICK_INTERACTIONS / max(1, n_positive)) * len(users)))
    small = Log(*(path.with_stem(f"{path.stem}-quick") for path in (log.events, log.train, log.test)))
    write_events(events.filter(pl.col("user_id").is_in(users.sample(n, seed=SEED).implode())), small.events)
    write_split(plan.split_by, read_events(small.events), small.train, small.test)
    return small


def _bench(dataset: str, plan: Plan, log: Log, kept: Kept, quick: bool) -> Bench:
    """Fit what is not fitted yet: one model after the other, then the blender; publish."""
    store = Store(kept.folder / "store")
    versions: dict[str, str] = {}
    for model in plan.models:
        one = replace(plan, models=[model])
        versions |= kept.once(f"fit {model.name}", partial(fit_all, store, one, log.train))
    versions |= kept.once("fit mixigen", lambda: dict(store.add(blender(plan, log.train))))
    if store.current() is None:
        store.publish(artifacts=versions, keep_base=False, exclude_seen=plan.exclude_seen, default_cg=plan.default_cg)
    return Bench(dataset, plan, log, store, versions, kept, quick)


def _section(name: str, bench: Bench) -> list[Section]:
    found = bench.kept.once(name, lambda: _measure(name, bench))
    return [Section.model_validate(section) for section in found]


def _measure(name: str, bench: Bench) -> list[dict[str, Any]]:
    say(f"report: {name}")
    started = time.perf_counter()
    sections = SECTIONS[name](bench)
    say(f"report: {name} took {time.perf_counter() - started:.1f} s")
    return [section.model_copy(update={"measured": conditions()}).model_dump() for section in sections]


def _key(plan: Plan, log: Log) -> str:
    data = [fingerprint(build(read_events(path))) for path in (log.train, log.test)]
    return hashlib.sha256(repr((plan, data)).encode()).hexdigest()


def _facts(bench: Bench) -> dict[str, str]:
    release = bench.release
    data: Manifest = release.artifacts["data"]
    return {
        "Made by": f"python -m training benchmark --dataset {bench.dataset} --out DIR{' --quick' * bench.quick}",
        "Train part": f"{len(release.users):,} users, {len(release.items):,} items; cut by {bench.plan.split_by}",
        "Machine": machine(),
        "Fingerprint of the data": data.data_fingerprint[:16],
        **({"Quick": "a sample of the users: for a look, not for a decision"} if bench.quick else {}),
    }


def _write(out: Path, title: str, facts: Mapping[str, str], sections: list[Section]) -> str:
    text = page.text(title, facts, sections)
    content = {"facts": facts, "sections": [section.model_dump() for section in sections]}
    (out / f"{title}.html").write_text(page.html(f"Candgen: {title}", facts, sections), encoding="utf-8")
    (out / f"{title}.md").write_text(text, encoding="utf-8")
    (out / f"{title}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    (out / title).mkdir(exist_ok=True)
    for name, drawn in page.pictures(sections).items():
        (out / title / name).write_text(drawn, encoding="utf-8")
    return text
