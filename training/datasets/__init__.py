"""Sources of events; each produces the canonical schema."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from training.datasets import complete_journey, file, lavka, movielens, synthetic
from training.datasets.source import Source
from training.errors import DataError
from training.events import read_events, scan
from training.output import write_events


@dataclass(frozen=True)
class Dataset:
    """A dataset that `prepare` knows."""

    prepare: Callable[[Source], pl.LazyFrame]
    summary: str
    options: frozenset[str]
    """Fields of `Source` that it looks at."""


DATASETS: dict[str, Dataset] = {
    "complete-journey": Dataset(
        complete_journey.prepare, "a year of real grocery baskets (fetched)", frozenset({"path", "seed"})
    ),
    "movielens-100k": Dataset(movielens.prepare, "film ratings (fetched, or --path u.data)", frozenset({"path"})),
    "lavka": Dataset(
        lavka.prepare,
        "the reference's grocery log (fetched, or --path to parquet, folder or zip)",
        frozenset({"path"}),
    ),
    "synthetic": Dataset(
        synthetic.prepare, "drawn from a planted structure (--rows, --seed)", frozenset({"rows", "seed"})
    ),
    "file": Dataset(file.prepare, "any parquet or CSV (--path, --columns)", frozenset({"path", "columns"})),
}


def write(name: str, options: Mapping[str, Any], out: Path) -> int:
    """Write a dataset as a canonical log; return its number of events.

    options: fields of `Source`; those that are None count as not given. Raises DataError for one
    that the dataset has no use for.
    """
    dataset = DATASETS[name]
    given = {key: value for key, value in options.items() if value is not None}
    unused = sorted(set(given) - dataset.options)
    if unused:
        raise DataError(
            f"{name} has no use for --{unused[0]}; "
            f"it takes {', '.join(f'--{key}' for key in sorted(dataset.options)) or 'no options'}"
        )
    for key, lowest in (("rows", 1), ("seed", 0)):
        if given.get(key, lowest) < lowest:
            raise DataError(f"--{key} {given[key]}; wanted a whole number from {lowest} up")
    write_events(dataset.prepare(Source(**given)), out, check=read_events)
    return int(scan(out).select(pl.len()).collect().item())
