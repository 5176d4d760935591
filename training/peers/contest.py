"""A contest: several ways of doing one piece of work take turns, and pairs of them become rows."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from training.pipeline import Table, say

THREADS = 2
"""Of every side."""
MOST_ROUNDS = 15
NOT_INSTALLED = "not installed: pip install 'candgen[peers]'"


def _nothing() -> None:
    return None


@dataclass(frozen=True)
class Side:
    """One way of doing the work."""

    run: Callable[[Any], Any]
    """Timed: takes what `prepare` returned, returns the result."""
    prepare: Callable[[], Any] = _nothing
    """Not timed, before every run: compile, convert, copy."""
    judge: Callable[[Any], Mapping[str, float]] | None = None
    """From the last result to recall@10 and recall@50."""
    library: str | None = None
    """Module that has to be installed."""
    scale: float = 1.0
    """What the seconds are multiplied by, where the run does a sample of the work."""


@dataclass(frozen=True)
class Outcome:
    """What a side achieved."""

    seconds: float
    """Median over the rounds, scaled."""
    result: Any
    """Of the last round."""
    recall: Mapping[str, float] = field(default_factory=dict)


Outcomes = Mapping[str, Outcome]


def _no_note(outcomes: Outcomes) -> str:
    del outcomes
    return ""


@dataclass(frozen=True)
class Row:
    """A row of the table: two sides by name."""

    name: str
    ours: str
    peer: str
    note: Callable[[Outcomes], str] = _no_note


@dataclass(frozen=True)
class Contest:
    """Sides that take turns, and the rows that are made of them."""

    sides: Mapping[str, Side]
    rows: Sequence[Row]


def hold(contest: Contest, rounds: int, enough_seconds: float = 0.0) -> Table:
    """Run the sides `rounds` times in turn, or more often if that took less than `enough_seconds`.

    One row for each pair, also where the peer is not installed.
    """
    missing = {name for name, side in contest.sides.items() if side.library and find_spec(side.library) is None}
    possible = [row for row in contest.rows if not missing & {row.ours, row.peer}]
    alone = contest.sides.keys() - {name for row in contest.rows for name in (row.ours, row.peer)}
    used = {name for row in possible for name in (row.ours, row.peer)} | (alone - missing if possible else set())
    sides = {name: side for name, side in contest.sides.items() if name in used}
    outcomes = _run(sides, rounds, enough_seconds)
    return {
        row.name: _row(row, outcomes) if row in possible else {"note": NOT_INSTALLED}
        for row in contest.rows
    }  # fmt: skip


def _run(sides: Mapping[str, Side], rounds: int, enough_seconds: float) -> Outcomes:
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    results: dict[str, Any] = {}
    begun, done = time.perf_counter(), 0
    while done < rounds or (done < MOST_ROUNDS and time.perf_counter() - begun < enough_seconds):
        for name, side in sides.items():
            results.pop(name, None)  # frees its memory
            ready = side.prepare()
            started = time.perf_counter()
            results[name] = side.run(ready)
            seconds[name].append(side.scale * (time.perf_counter() - started))
        done += 1
        say("  " + ", ".join(f"{name} {times[-1]:.3f} s" for name, times in seconds.items()))
    return {
        name: Outcome(statistics.median(seconds[name]), results[name], side.judge(results[name]) if side.judge else {})
        for name, side in sides.items()
    }


def _row(row: Row, outcomes: Outcomes) -> dict[str, object]:
    ours, peer = outcomes[row.ours], outcomes[row.peer]
    cells: dict[str, object] = {
        "ours, s": ours.seconds,
        "peer, s": peer.seconds,
        "peer / ours": round(peer.seconds / ours.seconds, 2),
    }
    for label, outcome in (("ours", ours), ("peer", peer)):
        cells |= {f"{label} {metric}": outcome.recall.get(metric) for metric in ("recall@10", "recall@50")}
    return {**cells, "note": row.note(outcomes)}
