"""MixiGen: its score curves, and the places that each generator gets by hour and by kind of user."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from service import mix_kernels
from service.history import EMPTY
from service.ids import Id
from service.mix import MixRequest, curves
from training.report.bench import Bench
from training.report.model import Chart, Point, Section, missing

PLACES = 50
TITLES = ("MixiGen's score curves", "Places by hour", "Places by kind of user")


def blend(bench: Bench) -> list[Section]:
    """Ask MixiGen for the curves of some users around the clock."""
    if bench.release.mixigen is None:
        return [missing(title, "this release has no MixiGen") for title in TITLES]
    users = bench.users(30 if bench.quick else 150)
    hours = _hours(bench)
    scores = {(user, hour): _curves(bench, user, hours[hour]) for user in users for hour in range(0, 24, 2)}
    return [_curve_section(bench, scores), _hour_section(bench, scores), _segment_section(bench, users, scores)]


Scores = Mapping[tuple[Id, int], NDArray[np.float64]]


def _hours(bench: Bench) -> list[int]:
    """Return the unix seconds of every hour of the day after the last event."""
    zone = ZoneInfo(bench.release.mixigen.model.schema.timezone if bench.release.mixigen else "UTC")
    day = datetime.fromtimestamp(bench.release.history.newest or 0, zone) + timedelta(days=1)
    return [int(day.replace(hour=hour, minute=0, second=0).timestamp()) for hour in range(24)]


def _curves(bench: Bench, user: Id, timestamp: int) -> NDArray[np.float64]:
    request = MixRequest(user, n=PLACES, timestamp=timestamp)
    return curves(bench.release, request, bench.release.history.lookup(user))[1]


def _cgs(bench: Bench) -> list[str]:
    return list(bench.release.mixigen.cgs) if bench.release.mixigen else []


def _curve_section(bench: Bench, scores: Scores) -> Section:
    every = np.stack(list(scores.values()))
    mean, half = every.mean(axis=0), 1.96 * every.std(axis=0) / len(every) ** 0.5
    series = {
        name: [
            Point(x=at + 1, y=float(y), low=float(y - h), high=float(y + h))
            for at, (y, h) in enumerate(zip(mean[row], half[row], strict=True))
        ]
        for row, name in enumerate(_cgs(bench))
    }
    see = "The higher a curve stays, the more places its generator gets; means over users and hours, 95 % intervals."
    chart = Chart(kind="lines", x_label="position in the generator's list", y_label="MixiGen's score", series=series)
    table = {
        name: {f"{p.x:.0f}": round(p.y, 4) for p in line if p.x in (1, 5, 10, 20, 40)} for name, line in series.items()
    }
    return Section(title=TITLES[0], see=see, table=table, chart=chart)


def _quotas(bench: Bench, chosen: Sequence[NDArray[np.float64]]) -> dict[str, tuple[float, float]]:
    """Return for each generator the mean of its places, and half of a 95 % interval."""
    places = np.stack([mix_kernels.planned_depths(curve, PLACES) for curve in chosen])
    half = 1.96 * places.std(axis=0) / len(places) ** 0.5
    return {name: (float(places[:, row].mean()), float(half[row])) for row, name in enumerate(_cgs(bench))}


def _hour_section(bench: Bench, scores: Scores) -> Section:
    hours = sorted({hour for _, hour in scores})
    quotas = {hour: _quotas(bench, [curve for (_, at), curve in scores.items() if at == hour]) for hour in hours}
    series = {name: [_point(hour, *quotas[hour][name]) for hour in hours] for name in _cgs(bench)}
    table = {name: {f"{int(float(p.x)):02}:00": round(p.y, 2) for p in line} for name, line in series.items()}
    chart = Chart(kind="lines", x_label="hour of the day", y_label=f"places of {PLACES}", series=series)
    spread = max(series, key=lambda name: max(p.y for p in series[name]) - min(p.y for p in series[name]))
    see = f"Over the day {spread} changes most; level lines mean that the hour does not matter."
    return Section(title=TITLES[1], see=see, table=table, chart=chart)


def _segment_section(bench: Bench, users: Sequence[Id], scores: Scores) -> Section:
    sizes = {user: len(bench.release.history.lookup(user) or EMPTY) for user in users}
    low, high = np.quantile(list(sizes.values()), [1 / 3, 2 / 3])
    segments = {
        f"up to {low:.0f} items": [user for user in users if sizes[user] <= low],
        f"up to {high:.0f}": [user for user in users if low < sizes[user] <= high],
        "more": [user for user in users if sizes[user] > high],
    }
    quotas = {
        label: _quotas(bench, [curve for (user, _), curve in scores.items() if user in set(members)])
        for label, members in segments.items()
        if members
    }
    series = {name: [_point(label, *of[name]) for label, of in quotas.items()] for name in _cgs(bench)}
    table = {name: {str(p.x): round(p.y, 2) for p in line} for name, line in series.items()}
    chart = Chart(kind="bars", x_label="items in the history", y_label=f"places of {PLACES}", series=series)
    see = "Users by the size of their history, a third each: bars that differ are places that go to others."
    return Section(title=TITLES[2], see=see, table=table, chart=chart)


def _point(x: float | str, mean: float, half: float) -> Point:
    return Point(x=x, y=mean, low=mean - half, high=mean + half)
