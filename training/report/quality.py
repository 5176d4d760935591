"""Recall, novelty, diversity and coverage of every generator and mix, seen items allowed and excluded."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from training import metrics
from training.errors import DataError
from training.evaluation import TestSet, lists
from training.named_lists import MIXES
from training.pipeline import SEEN
from training.report.bench import Bench
from training.report.model import Chart, Point, Section, Table

KS = (10, 50)
REFERENCE_LEVELS: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "lavka": {"ease": (0.04, 0.15), "slim": (0.04, 0.12), "bpr": (0.07, 0.18), "adaptive_bpr": (0.09, 0.20)},
}
"""Dataset → algorithm → recall@10, recall@50 that the reference states for its default parameters."""
Z = 1.96
"""Of a 95 % interval of a mean."""


def quality(bench: Bench) -> list[Section]:
    """Return one section for each way to treat seen items."""
    return [_section(bench, label, excluded) for label, excluded in SEEN.items()]


def _section(bench: Bench, label: str, exclude_seen: bool) -> Section:
    title = f"Quality, {label}"
    try:
        test = bench.test(exclude_seen)
    except DataError as error:
        return Section(title=title, see=f"Not measured: {error}.")
    names = [*sorted(bench.release.cgs), *MIXES]
    table: Table = {}
    bars: dict[str, list[Point]] = {f"recall@{k}": [] for k in KS}
    for name in names:
        table[name], recalls = _of_list(bench, name, test, exclude_seen)
        for k in KS:
            mean, half = float(recalls[k].mean()), Z * float(recalls[k].std()) / len(recalls[k]) ** 0.5
            bars[f"recall@{k}"].append(Point(x=name, y=mean, low=mean - half, high=mean + half))
            table[name][f"± @{k}"] = round(half, 4)
        table[name] |= _against_reference(bench.dataset, name, table[name])
    best = max(names, key=lambda name: table[name]["recall@10"])
    see = (
        f"{best} finds most in the first ten: {table[best]['recall@10']:.4f} of what was wanted, mean over "
        f"{test.positives.n_units:,} {bench.plan.unit}s; bars have 95 % intervals."
    )
    chart = Chart(kind="bars", x_label="generator or mix", y_label="recall", series=bars)
    return Section(title=title, see=see, table=table, chart=chart)


def _against_reference(dataset: str, name: str, row: Mapping[str, float]) -> dict[str, str]:
    """Say which levels the reference states, and whether they are reached."""
    levels = REFERENCE_LEVELS.get(dataset, {}).get(name)
    if levels is None:
        return {}
    reached = all(row[f"recall@{k}"] >= level for k, level in zip(KS, levels, strict=True))
    return {"reference @10/@50": f"{levels[0]:.2f}/{levels[1]:.2f}", "reached": "pass" if reached else "fail"}


def _of_list(
    bench: Bench, name: str, test: TestSet, exclude_seen: bool
) -> tuple[dict[str, float], dict[int, NDArray[np.float64]]]:
    top, of_unit = lists(bench.release, name, test, max(KS), exclude_seen)
    positives = replace(test.positives, list_of_unit=of_unit)
    rank = metrics.ranks(top, positives)
    catalogue = bench.release.catalogue
    recalls = {k: metrics.recall(rank, positives, k) for k in KS}
    row: dict[str, float] = {}
    for k in KS:
        row[f"recall@{k}"] = float(recalls[k].mean())
        row[f"novelty@{k}"] = float(metrics.novelty(top, catalogue.users_share, k)[of_unit].mean())
        row[f"diversity@{k}"] = float(metrics.category_diversity(top, catalogue.categories, k)[of_unit].mean())
        shown = np.unique(top[:, :k])
        row[f"coverage@{k}"] = float((shown >= 0).sum() / len(bench.release.items))
    return row, recalls
