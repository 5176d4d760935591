"""How training time grows with the data: every model on growing shares of the users, and the exponent fitted."""

import math

import numpy as np
import polars as pl

from training.events import read_events
from training.fitting import Model, fit
from training.interactions import Interactions, build
from training.report.bench import SEED, Bench
from training.report.model import Chart, Point, Section, Table

SHARES = (0.25, 0.5, 1.0)
REPEATS, LONG = 3, 5.0
"""Fits of up to so many seconds are repeated."""


def growth(bench: Bench) -> list[Section]:
    """Fit everything on a quarter, a half and all of the users."""
    sizes: dict[float, int] = {}
    seconds: dict[str, dict[float, float]] = {}
    for share in SHARES:
        interactions = build(_some_users(bench, share))
        sizes[share] = len(interactions.items)
        for model in bench.plan.models:
            seconds.setdefault(model.name, {})[share] = _seconds(interactions, model, bench.quick)
    table: Table = {
        name: {f"{sizes[share]:,} interactions, s": round(at, 2) for share, at in of_share.items()}
        | dict(zip(("exponent", "± (standard error)"), _exponent(sizes, of_share), strict=True))
        for name, of_share in seconds.items()
    }
    series = {
        name: [Point(x=sizes[share], y=at) for share, at in of_share.items()] for name, of_share in seconds.items()
    }
    slowest = max(seconds, key=lambda name: seconds[name][1.0])
    see = (
        f"On all of the data {slowest} takes longest, {seconds[slowest][1.0]:.1f} s; seconds ~ interactions^exponent, "
        "fitted on three sizes on this machine, the very short fits being mostly noise."
    )
    chart = Chart(kind="lines", x_label="interactions", y_label="seconds to fit", series=series, log_x=True, log_y=True)
    return [Section(title="Training time", see=see, table=table, chart=chart)]


def _seconds(interactions: Interactions, model: Model, once: bool) -> float:
    """Return the shortest of up to three fits; one is enough where it takes long."""
    best = math.inf
    for _ in range(1 if once else REPEATS):
        found = [draft.fit_seconds for draft in fit(interactions, [model]) if draft.fit_seconds is not None]
        best = min(best, max(sum(found), 1e-3))
        if best > LONG:
            break
    return best


def _some_users(bench: Bench, share: float) -> pl.LazyFrame:
    events = read_events(bench.log.train)
    if share == 1.0:
        return events
    users = events.select("user_id").unique().collect()["user_id"].sort()
    return events.filter(pl.col("user_id").is_in(users.sample(fraction=share, seed=SEED).implode()))


def _exponent(sizes: dict[float, int], seconds: dict[float, float]) -> tuple[float, float]:
    """Return the slope of log seconds over log size, by least squares, and its standard error."""
    x = np.log([sizes[share] for share in seconds])
    y = np.log(list(seconds.values()))
    x, y = x - x.mean(), y - y.mean()
    slope = float(x @ y / (x @ x))
    error = math.sqrt(float(((y - slope * x) ** 2).sum()) / max(1, len(x) - 2) / float(x @ x))
    return round(slope, 2), round(error, 2)
