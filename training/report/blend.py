"""MixiGen: its score curves, and the places that each generator gets by hour and by kind of user."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from service import mix_kernels
from service.array_types import Doubles
from service.history import EMPTY
from service.ids import Id
from service.mix import MixRequest, curves
from training.report.bench import Bench
from training.report.interval import Z, mean_and_half
from training.report.model import Chart, Section, around, missing

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


Scores = Mapping[tuple[Id, int], Doubles]


def _hours(bench: Bench) -> list[int]:
    """Return the unix seconds of every hour of the day after the last event."""
    zone = ZoneInfo(bench.release.mixigen.model.schema.timezone if bench.release.mixigen else "UTC")
    day = datetime.fromtimestamp(bench.release.history.newest or 0, zone) + timedelta(days=1)
    return [int(day.replace(hour=hour, minute=0, second=0).timestamp()) for hour in range(24)]


def _curves(bench: Bench, user: Id, timestamp: int) -> Doubles:
    request = MixRequest(user, n=PLACES, timestamp=timestamp)
    return curves(bench.release, request, bench.release.history.lookup(user))[1]


def _cgs(bench: Bench) -> list[str]:
    return list(bench.release.mixigen.cgs) if bench.release.mixigen else []


def _trained(bench: Bench) -> int:
    """Return the last position that MixiGen was trained on: beyond it the curves are level."""
    return bench.release.mixigen.model.schema.max_position if bench.release.mixigen else 0


def _curve_section(bench: Bench, scores: Scores) -> Section:
    users = list(dict.fromkeys(user for user, _ in scores))
    every = np.stack([np.mean([scores[key] for key in scores if key[0] == user], axis=0) for user in users])
    mean, half = every.mean(axis=0), Z * every.std(axis=0) / len(every) ** 0.5
    series = {
        name: [around(at + 1, float(mean[row, at]), float(half[row, at])) for at in range(_trained(bench))]
        for row, name in enumerate(_cgs(bench))
    }
    first, last = (max(series, key=lambda name: series[name][at].y) for at in (0, -1))
    see = (
        f"The higher a curve stays, the more places its generator gets: {first} begins highest, {last} ends highest, "
        f"at the last position of the training; "
        f"means over {len(users)} users and {len(scores) // len(users)} hours, bands are 95 % intervals over users."
    )
    chart = Chart(
        kind="lines",
        x_label="position in the generator's list",
        y_label="MixiGen's score (greater: fetched sooner)",
        series=series,
    )
    table = {
        name: {f"position {p.x:.0f}": round(p.y, 4) for p in line if p.x in (1, 5, 10, 20, 40)}
        for name, line in series.items()
    }
    return Section(title=TITLES[0], see=see, table=table, charts=[chart])


Quotas = dict[str, tuple[float, float]]
"""Generator → mean of its places, and half of a 95 % interval."""


def _quotas(bench: Bench, chosen: Scores) -> Quotas:
    """Return what curves imply, with users as the sample."""
    places = mix_kernels.planned_depths(np.stack([*chosen.values()]), PLACES)
    _, user = np.unique([str(user) for user, _ in chosen], return_inverse=True)
    return {name: mean_and_half(places[:, row], user) for row, name in enumerate(_cgs(bench))}


def _hour_section(bench: Bench, scores: Scores) -> Section:
    hours = sorted({hour for _, hour in scores})
    quotas = {hour: _quotas(bench, {key: curve for key, curve in scores.items() if key[1] == hour}) for hour in hours}
    series = {name: [around(hour, *quotas[hour][name]) for hour in hours] for name in _cgs(bench)}
    table = {name: {f"{hour:02}:00": round(quotas[hour][name][0], 2) for hour in hours} for name in series}
    chart = Chart(
        kind="lines", x_label="hour of the day", y_label=f"places of the first {PLACES} (mean)", series=series
    )
    see = (
        f"{_change('Over the day', 'The hour makes no difference', list(quotas.values()))}; "
        "a level line means that the hour does not matter; bands are 95 % intervals over users."
    )
    return Section(title=TITLES[1], see=see, table=table, charts=[chart])


def _change(over: str, nothing: str, quotas: Sequence[Quotas]) -> str:
    """Say whose places change most, or that they do not: by less than half an interval, or than half a place."""
    means = {name: [of[name][0] for of in quotas] for name in quotas[0]}
    name = max(means, key=lambda name: max(means[name]) - min(means[name]))
    low, high = min(means[name]), max(means[name])
    if high - low > (max(of[name][1] for of in quotas) or 0.5):
        return f"{over} {name} changes most, from {low:.1f} to {high:.1f} of {PLACES} places"
    return f"{nothing}: no generator's places change by more than {high - low:.2g} of {PLACES}"


def _segment_section(bench: Bench, users: Sequence[Id], scores: Scores) -> Section:
    segments = _segments(bench, users)
    quotas = {
        label: _quotas(bench, {key: curve for key, curve in scores.items() if key[0] in members})
        for label, members in segments.items()
    }
    series = {label: [around(name, *quota) for name, quota in of.items()] for label, of in quotas.items()}
    table = {name: {label: round(of[name][0], 2) for label, of in quotas.items()} for name in _cgs(bench)}
    chart = Chart(kind="bars", x_label="generator", y_label=f"places of the first {PLACES} (mean)", series=series)
    change = _change(
        "Between users with short and with long histories",
        "The length of the history makes no difference",
        list(quotas.values()),
    )
    see = f"{change}; a third of the users each, by distinct items in the history; whiskers are 95 % intervals."
    return Section(title=TITLES[2], see=see, table=table, charts=[chart])


def _segments(bench: Bench, users: Sequence[Id]) -> dict[str, set[Id]]:
    sizes = {user: len(bench.release.history.lookup(user) or EMPTY) for user in users}
    low, high = (int(bound) for bound in np.quantile(list(sizes.values()), [1 / 3, 2 / 3]))
    segments = {
        f"up to {low} items": {user for user in users if sizes[user] <= low},
        f"{low + 1} to {high} items": {user for user in users if low < sizes[user] <= high},
        f"more than {high} items": {user for user in users if sizes[user] > high},
    }
    return {label: members for label, members in segments.items() if members}
