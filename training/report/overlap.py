"""How alike the lists of the generators are."""

import numpy as np

from service.generate import Request, generate
from training.report.bench import Bench
from training.report.interval import mean_and_half
from training.report.model import Chart, Point, Section, Table

DEPTH = 50


def overlap(bench: Bench) -> list[Section]:
    """Return the mean share of common items of each pair's own lists, as served by default."""
    release, names = bench.release, sorted(bench.release.cgs)
    users = bench.users(100 if bench.quick else 500)
    shares: dict[tuple[str, str], list[float]] = {}
    for user in users:
        stored = release.history.lookup(user)
        tops = {
            name: generate(release, Request(user, name, DEPTH, bench.plan.exclude_seen), stored).result.own.items
            for name in names
        }
        for a in names:
            for b in names:
                size = min(len(tops[a]), len(tops[b]))
                if size:
                    shares.setdefault((a, b), []).append(len(np.intersect1d(tops[a], tops[b])) / size)
    intervals = {pair: mean_and_half(values) for pair, values in shares.items()}
    means = {pair: mean for pair, (mean, _) in intervals.items()}
    table: Table = {a: {b: round(means[a, b], 3) for b in names if (a, b) in means} for a in names}
    pairs = {pair: share for pair, share in means.items() if pair[0] < pair[1]}
    see = "Generators that share little have the most to give to a mix."
    if pairs:
        (a, b), (c, d) = max(pairs, key=lambda pair: pairs[pair]), min(pairs, key=lambda pair: pairs[pair])
        see = (
            f"Of their first {DEPTH} items {a} and {b} share most ({pairs[a, b]:.2f}), {c} and {d} least "
            f"({pairs[c, d]:.2f}); generators that share little have the most to give to a mix. "
            f"{len(users)} users, share of the shorter list, 95 % intervals within ± "
            f"{max(half for _, half in intervals.values()):.3f}."
        )
    series = {a: [Point(x=b, y=means[a, b]) for b in names if (a, b) in means] for a in names}
    chart = Chart(kind="heat", x_label="generator", y_label="generator", series=series)
    return [Section(title="Overlap of the lists", see=see, table=table, charts=[chart])]
