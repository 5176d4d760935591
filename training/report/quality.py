"""Recall, novelty, diversity and coverage of every generator and mix, seen items allowed and excluded."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from training import metrics
from training.errors import DataError
from training.evaluation import TestSet
from training.named_lists import MIXES
from training.pipeline import SEEN
from training.report.bench import Bench, Found
from training.report.interval import mean_and_half
from training.report.model import Chart, Section, Table, around, missing

KS = (10, 50)
REFERENCE_LEVELS: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "lavka": {"ease": (0.04, 0.15), "slim": (0.04, 0.12), "bpr": (0.07, 0.18), "adaptive_bpr": (0.09, 0.20)},
}
"""Dataset → algorithm → recall@10, recall@50 that the reference states for its default parameters."""
LEFT_OUT = ("mix:quota",)
"""Mixes left out: a quota of equal shares is `mix:round_robin`."""
BEYOND = ("novelty", "diversity", "coverage")
Row = dict[str, Any]
"""Metric@k → value, and ± metric@k → half of its 95 % interval where it is a mean."""


def quality(bench: Bench) -> list[Section]:
    """Return one section for each way to treat seen items."""
    return [_section(bench, label, excluded) for label, excluded in SEEN.items()]


def _section(bench: Bench, label: str, exclude_seen: bool) -> Section:
    title = f"Quality, {label}"
    try:
        test = bench.test(exclude_seen)
    except DataError as error:
        return missing(title, str(error))
    names = [*sorted(bench.release.cgs), *(name for name in MIXES if name not in LEFT_OUT)]
    rows: dict[str, Row] = {
        name: bench.kept.once(f"quality {label} {name}", partial(_measure, bench, name, test, exclude_seen))
        for name in names
    }
    table: Table = {name: row | _against_reference(bench.dataset, name, row) for name, row in rows.items()}
    best = {k: max(names, key=lambda name: rows[name][f"recall@{k}"]) for k in KS}
    see = (
        f"In the first ten places {best[10]} finds most of what was wanted, "
        f"{rows[best[10]]['recall@10']:.4f} ± {rows[best[10]]['± recall@10']:.4f}, in the first fifty {best[50]}, "
        f"{rows[best[50]]['recall@50']:.4f} ± {rows[best[50]]['± recall@50']:.4f}; means over "
        f"{_units(bench, test)}, whiskers and ± are 95 % "
        "intervals with users as the sample."
    )
    recall = Chart(
        kind="bars",
        x_label="generator or mix",
        y_label="recall (share of what was wanted)",
        series={f"recall@{k}": [_point(name, row, f"recall@{k}") for name, row in rows.items()] for k in KS},
    )
    return Section(title=title, see=see, table=table, charts=[recall, _beyond(rows)])


def _units(bench: Bench, test: TestSet) -> str:
    users = f"{len(test.users):,} users"
    return users if bench.plan.unit == "user" else f"{test.positives.n_units:,} requests of {users}"


def _beyond(rows: Mapping[str, Row]) -> Chart:
    wide = max(rows, key=lambda name: rows[name]["coverage@50"])
    return Chart(
        kind="bars",
        x_label="generator or mix",
        y_label="share, from 0 to 1, of the first 50 places",
        series={f"{what}@50": [_point(name, row, f"{what}@50") for name, row in rows.items()] for what in BEYOND},
        see=f"Beyond recall: all users' lists of {wide} together cover more of the catalogue than any other "
        f"({rows[wide]['coverage@50']:.1%} in 50 places); novelty is 1 − the share "
        "of users who had an item, diversity the number of categories by items.",
    )


def _point(name: str, row: Row, metric: str) -> Any:
    return around(name, row[metric], row.get(f"± {metric}", 0.0))


def _against_reference(dataset: str, name: str, row: Mapping[str, float]) -> dict[str, str]:
    """Say which levels the reference states, and whether they are reached."""
    levels = REFERENCE_LEVELS.get(dataset, {}).get(name)
    if levels is None:
        return {}
    reached = all(row[f"recall@{k}"] >= level for k, level in zip(KS, levels, strict=True))
    return {"reference @10/@50": f"{levels[0]:.2f}/{levels[1]:.2f}", "reached": "pass" if reached else "fail"}


def _measure(bench: Bench, name: str, test: TestSet, exclude_seen: bool) -> Row:
    found = bench.find(name, test, max(KS), exclude_seen)
    row: Row = {}
    for k in KS:
        row[f"recall@{k}"], row[f"± recall@{k}"] = found.recall(k)
    for k in KS:
        row |= _of_lists(bench, found, k)
    return row


def _of_lists(bench: Bench, found: Found, k: int) -> Row:
    of_unit, catalogue = found.positives.list_of_unit, bench.release.catalogue
    values = {
        "novelty": metrics.novelty(found.top, catalogue.users_share, k)[of_unit],
        "diversity": metrics.category_diversity(found.top, catalogue.categories, k)[of_unit],
    }
    row: Row = {}
    for what, value in values.items():
        row[f"{what}@{k}"], row[f"± {what}@{k}"] = mean_and_half(value, found.user)
    shown = np.unique(found.top[:, :k])
    row[f"coverage@{k}"] = float((shown >= 0).sum() / len(bench.release.items))
    return row
