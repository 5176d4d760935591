"""What `mixigen --report` says: how good the blend is, whether its merge is exact, what each generator is worth."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from service.array_types import Doubles, Ints
from service.mix_habits import Habits
from service.release_manifest import MIXIGEN
from training import mixigen
from training.errors import DataError
from training.merge import merge, sort_all
from training.mix_evaluation import MEASURES, QUOTA, Part, baselines, choose, compare
from training.mix_plots import plot_curves, plot_worth
from training.mix_worth import left_out, overlap, segments, slots, unique_hits
from training.mixigen_stage import WAYS, Stage, train_on
from training.tables import markdown

NS = (30, 50, 100)
WORTH_N = 50
SORTED = 1_000
"""Requests whose mix is compared with a full sort."""
MAX_EVALUATED = 20_000
"""Requests drawn of the validation and of the test part."""
QUANTITIES = {"slots": "share of the slots", "left out": f"change of recall@{WORTH_N} without it"}
"""What is drawn of a generator's worth, and what it is."""
LABELS = {False: "seen allowed", True: "seen excluded"}


@dataclass(frozen=True)
class Report:
    """Numbers, as they go to JSON, and what is drawn of them."""

    numbers: dict[str, Any]
    curves: dict[str, Doubles]
    """Title → scores (n_requests, n_cgs, positions)."""
    cgs: tuple[str, ...]


def make(
    stage: Stage,
    log: Mapping[bool, Part],
    blend: mixigen.Blend,
    config: mixigen.Config,
    habits: tuple[Habits, Habits] | None = None,
) -> Report:
    """Choose baselines on the validation part, then look at the test part; habits: what the blend was made with."""
    free = train_on(stage, log, config.model_copy(update={"monotone": False}), habits)
    numbers: dict[str, Any] = {"config": config.model_dump(mode="json"), "trees": blend.trees}
    pictures: dict[str, Doubles] = {}
    for way in WAYS:
        label = LABELS[way]
        validation, test = (stage.part(name, exclude_seen=way, most=MAX_EVALUATED) for name in ("validation", "test"))
        seen = mixigen.see(
            stage.release, test.requests, blend.model.schema, exclude_seen=way, habits=blend.model.habits
        )
        scores = {"constrained": mixigen.curves(blend.model, seen), "free": mixigen.curves(free.model, seen)}
        pictures |= {f"{label}, {name}": values for name, values in scores.items()}
        numbers[label] = {
            "requests": {"log": len(log[way].requests), "validation": len(validation.requests)}
            | {"test": len(test.requests)},
            "merge": {name: exactness(test, values) for name, values in scores.items()},
            "quality": quality(validation, test, scores["constrained"]),
            "worth": worth(stage, test, scores["constrained"]),
            "overlap": overlap(test.lists),
        }
    return Report(numbers, pictures, stage.cgs)


def quality(validation: Part, test: Part, scores: Doubles) -> dict[str, Any]:
    """Return "measure@n" → strategy → mean and gain of MixiGen with their intervals, and the chosen baselines."""
    result: dict[str, Any] = {}
    for n in NS:
        ours = places(test, scores, n)
        for measure in MEASURES:
            chosen = choose(validation, measure, n)
            rows = compare(test, ours, baselines(test, chosen, n), measure)
            shares = dict(zip(test.lists.cgs, chosen.shares.round(3).tolist(), strict=True))
            result[f"{measure}@{n}"] = {"single": chosen.single, "shares": shares, "strategies": rows}
    return result


def exactness(part: Part, scores: Doubles) -> dict[str, float]:
    """Return the share of rising pairs of positions, and of mixes that are not what a full sort gives."""
    picks = places(part, scores, max(NS))
    fill = len(part.lists.cgs) * part.items.shape[2]
    rows = range(min(SORTED, len(picks)))
    differ = [
        sort_all(part.lists.items[:, part.list_of[row]], scores[row], max(NS))
        != picks[row][(picks[row] >= 0) & (picks[row] < fill)].tolist()
        for row in rows
    ]
    return {"rising": mixigen.rising(scores), "differs from full sort": float(np.mean(differ))}


def worth(stage: Stage, part: Part, scores: Doubles) -> dict[str, Any]:
    """Return segment → quantity → generator → value."""
    picks = places(part, scores, WORTH_N)
    others = {name: places(part.without(cg), scores, WORTH_N) for cg, name in enumerate(part.lists.cgs)}
    return {
        segment: {
            "slots": slots(part, picks, some),
            "unique hits": unique_hits(part, some),
            "left out": left_out(part, picks, others, some),
        }
        for segment, some in segments(stage.release, part.requests.user).items()
        if some.any()
    }


def places(part: Part, scores: Doubles, n: int) -> Ints:
    """Return the places (n_requests, n) of the mix."""
    return merge(part.items, part.list_of, scores, part.n_items, n)


def write(folder: Path, report: Report) -> str:
    """Write mixigen.md, mixigen.json and the pictures; return the Markdown."""
    text = as_markdown(report)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "mixigen.md").write_text(text, encoding="utf-8")
        (folder / "mixigen.json").write_text(json.dumps(report.numbers, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({error.strerror})") from None
    plot_curves(report.curves, report.cgs, folder / "mixigen-curves.png")
    ways = {label: report.numbers[label]["worth"] for label in LABELS.values()}
    panels = {
        f"{title}, {label}": {segment: values[quantity] for segment, values in of_way.items()}
        for label, of_way in ways.items()
        for quantity, title in QUANTITIES.items()
    }
    plot_worth(panels, folder / "mixigen-worth.png")
    return text


def as_markdown(report: Report) -> str:
    """Lay out the report."""
    blocks = ["# MixiGen"]
    for label in LABELS.values():
        numbers = report.numbers[label]
        counts = ", ".join(f"{name} {count:,}" for name, count in numbers["requests"].items())
        blocks += [f"## {label}\n\nRequests: {counts}.", *_quality_blocks(numbers["quality"])]
        blocks += ["Is the merge exact?", markdown("trees", numbers["merge"])]
        for segment, values in numbers["worth"].items():
            rows = {name: {what: values[what].get(name) for what in values} for name in values["slots"]}
            blocks += [f"Worth of each generator at {WORTH_N}, {segment} users:", markdown("cg", rows)]
        blocks += ["Share of the row's candidates that the column has too:", markdown("cg", numbers["overlap"])]
    return "\n\n".join(blocks) + "\n"


def _quality_blocks(quality: Mapping[str, Any]) -> list[str]:
    rows: dict[str, dict[str, object]] = {}
    for what, found in quality.items():
        for name in (found["single"], "round_robin", "rrf", QUOTA, MIXIGEN):
            row = rows.setdefault("best single" if name == found["single"] else name, {})
            row[what] = _cell(found["strategies"][name])
    singles = ", ".join(f"{what} {found['single']}" for what, found in quality.items())
    return [
        markdown("strategy", rows),
        f"Behind a value by how much MixiGen is above it, with the 95 % interval. Best single: {singles}.",
    ]


def _cell(values: Mapping[str, float]) -> str:
    text = f"{values['mean']:.4f}"
    if "gain" in values:
        text += " ({:+.4f} [{:+.4f}, {:+.4f}])".format(*(values[name] for name in ("gain", "gain low", "gain high")))
    return text
