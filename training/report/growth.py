"""How training time grows with the data: every model on growing shares of the users, and the exponent fitted."""

import time
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import NamedTuple

import numpy as np
import polars as pl
from scipy.stats import t as student

from training.events import read_events
from training.fitting import Model, fit
from training.interactions import Interactions, build
from training.pipeline import say
from training.report.bench import SEED, Bench
from training.report.model import Chart, Point, Section, Table

SHARES = (0.125, 0.25, 0.5, 1.0)
REPEATS, ENOUGH = 3, 20.0
"""A fit is repeated up to three times, or until so many seconds are spent."""
Times = dict[str, list[list[float]]]
"""Share of the users → processor seconds and seconds of each fit."""


class Exponent(NamedTuple):
    """The slope of log processor seconds over log interactions, and its 95 % interval."""

    slope: float
    low: float
    high: float


def growth(bench: Bench) -> list[Section]:
    """Fit everything on an eighth, a quarter, a half and all of the users."""
    part = cache(lambda share: build(_some_users(bench, share)))
    sizes = bench.kept.once("training time sizes", lambda: {str(share): _size(part(share)) for share in SHARES})
    seconds: dict[str, Times] = {
        model.name: bench.kept.once(f"training time of {model.name}", partial(_times, part, model, bench))
        for model in bench.plan.models
    }
    exponents = {name: exponent(sizes, times) for name, times in seconds.items()}
    chart = Chart(
        kind="lines",
        x_label="interactions (logarithmic)",
        y_label="processor seconds to fit (logarithmic)",
        series={name: _line(sizes, times) for name, times in seconds.items()},
        log_x=True,
        log_y=True,
    )
    table = _table(sizes, seconds, exponents)
    return [Section(title="Training time", see=_see(seconds, exponents), table=table, charts=[chart])]


def exponent(sizes: Mapping[str, list[int]], times: Times) -> Exponent:
    """Fit a line to the logarithms of all fits by least squares; the interval is Student's."""
    x = np.log([sizes[share][0] for share, values in times.items() for _ in values])
    y = np.log([processor for values in times.values() for processor, _ in values])
    x, y = x - x.mean(), y - y.mean()
    slope = float(x @ y / (x @ x))
    free = len(x) - 2
    error = float(np.sqrt(((y - slope * x) ** 2).sum() / free / (x @ x)))
    half = float(student.ppf(0.975, free)) * error
    return Exponent(slope, slope - half, slope + half)


def _line(sizes: Mapping[str, list[int]], times: Times) -> list[Point]:
    points = []
    for share, values in times.items():
        spent = [processor for processor, _ in values]
        points.append(Point(x=sizes[share][0], y=float(np.median(spent)), low=min(spent), high=max(spent)))
    return points


def _times(part: Callable[[float], Interactions], model: Model, bench: Bench) -> Times:
    """Fit on every share; the first fit of all is not counted: it may have to compile."""
    say(f"training time: {model.name}")
    _seconds(part(SHARES[0]), model)
    return {str(share): _repeated(part(share), model, 1 if bench.quick else REPEATS) for share in SHARES}


def _repeated(interactions: Interactions, model: Model, most: int) -> list[list[float]]:
    times: list[list[float]] = []
    while len(times) < most and sum(seconds for _, seconds in times) < ENOUGH:
        times.append(_seconds(interactions, model))
    return times


def _seconds(interactions: Interactions, model: Model) -> list[float]:
    """Return processor seconds of all threads, and seconds, from the interactions to arrays."""
    drafts = iter(fit(interactions, [model]))
    next(drafts)  # the data artifact
    started = time.process_time(), time.perf_counter()
    for _ in drafts:
        pass
    return [time.process_time() - started[0], time.perf_counter() - started[1]]


def _size(interactions: Interactions) -> list[int]:
    return [len(interactions.items), len(interactions.item_ids)]


def _some_users(bench: Bench, share: float) -> pl.LazyFrame:
    events = read_events(bench.log.train)
    if share == 1.0:
        return events
    users = events.select("user_id").unique().collect()["user_id"].sort()
    return events.filter(pl.col("user_id").is_in(users.sample(fraction=share, seed=SEED).implode()))


def _see(seconds: Mapping[str, Times], exponents: Mapping[str, Exponent]) -> str:
    slowest = max(seconds, key=lambda name: _median(seconds[name]["1.0"], 0))
    steepest = max(exponents, key=lambda name: exponents[name].slope)
    return (
        f"On all of the train part {slowest} takes longest, {_median(seconds[slowest]['1.0'], 0):.1f} processor "
        f"seconds; they grow as interactions^exponent, steepest for {steepest} ({exponents[steepest].slope:.2f}), "
        "where 1 is proportional to the data; dots are medians, bands the range of the fits, intervals of the "
        "exponent 95 % over all fits; fits of a few hundredths of a second say little."
    )


def _median(times: list[list[float]], place: int) -> float:
    return float(np.median([values[place] for values in times]))


def _table(sizes: Mapping[str, list[int]], seconds: Mapping[str, Times], exponents: Mapping[str, Exponent]) -> Table:
    return {
        name: {
            f"{sizes[share][0]:,} interactions, {sizes[share][1]:,} items: processor s": round(_median(values, 0), 4)
            for share, values in times.items()
        }
        | {
            "all: s": round(_median(times["1.0"], 1), 3),
            "exponent": f"{exponents[name].slope:.2f}",
            "95 % interval": f"{exponents[name].low:.2f} … {exponents[name].high:.2f}",
        }
        for name, times in seconds.items()
    }
