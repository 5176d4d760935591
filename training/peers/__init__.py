"""Speed against other libraries: same data, same run, two threads each, as ratios.

Needs the extra `peers`; a library that is not installed becomes a row that says so.
"""

import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from training.peers import als, ann, ann_large, bpr, checkin_large, ease, ease_large, fold_in, slim
from training.peers.bench import Bench
from training.peers.contest import Contest, hold
from training.pipeline import Log, Plan, Table, say

COMPARISONS: Mapping[str, Callable[[Bench], Iterable[Contest]]] = {
    "slim": slim.contests,
    "als": als.contests,
    "bpr": bpr.contests,
    "ease": ease.contests,
    "ann": ann.contests,
    "fold-in": fold_in.contests,
}
"""On the events of a dataset."""
LARGE: Mapping[str, Callable[[bool], Table]] = {
    "ease-large": ease_large.measure,
    "ann-large": ann_large.measure,
    "checkin-large": checkin_large.measure,
}
"""On data of their own, from whether to be quick to a table; minutes and gigabytes each, so only by name."""
ENOUGH_SECONDS = 10.0
"""Small work is repeated for so long, since single short runs say little."""
BLAS_SETTINGS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
"""Environment variables that make OpenBLAS take other kernels or blocks than it would choose."""


def compare(plan: Plan, log: Log, names: Iterable[str] = COMPARISONS, *, rounds: int, quick: bool = False) -> Table:
    """Return one row for each pair of the comparisons named: seconds and recall of both, and peer / ours.

    Seconds are medians over the rounds (more than asked for where the work is small), in which the sides take
    turns. `quick`: fewer iterations and dimensions, for trying the command out.
    """
    hint_at_environment()
    with tempfile.TemporaryDirectory(prefix="candgen-peers-") as folder:
        bench = Bench(plan, log, Path(folder), quick)
        table: Table = {}
        for name in names:
            say(f"comparing {name}")
            for contest in COMPARISONS[name](bench):
                table |= hold(contest, rounds, 0.0 if quick else ENOUGH_SECONDS)
    return table


def measure_large(names: Sequence[str], quick: bool = False) -> dict[str, Table]:
    """Return one table for each of LARGE that is named."""
    hint_at_environment()
    tables = {}
    for name in names:
        say(f"measuring {name}")
        tables[name] = LARGE[name](quick)
    return tables


def hint_at_environment() -> None:
    """Say so if the environment is known to slow BLAS down."""
    for name in BLAS_SETTINGS:
        if name in os.environ:
            say(f"hint: {name}={os.environ[name]} is set and may slow BLAS down; unset it to measure")
