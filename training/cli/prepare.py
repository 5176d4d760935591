"""`prepare`: make a canonical event log out of a dataset."""

import argparse
from pathlib import Path
from typing import Any

from training.datasets import DATASETS
from training.datasets.source import Source
from training.errors import DataError
from training.events import CANONICAL, read_events, scan
from training.output import write_events

NAME = "prepare"
HELP = "write a dataset as a canonical event log"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the subcommand."""
    summaries = "; ".join(f"{name}: {dataset.summary}" for name, dataset in DATASETS.items())
    parser.add_argument("dataset", choices=DATASETS, metavar="NAME", help=summaries)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="parquet file to write")
    parser.add_argument("--path", type=Path, metavar="P", help="the raw data, instead of fetching it")
    parser.add_argument(
        "--columns", type=_mapping, metavar="user_id=A,…", help="file: which column of the file is which"
    )
    parser.add_argument("--rows", type=int, metavar="N", help="synthetic: number of events")
    parser.add_argument("--seed", type=int, metavar="S", help="seed of every random draw (default 0)")


def run(args: argparse.Namespace) -> None:
    """Prepare, validate, and only then put the file in place."""
    dataset = DATASETS[args.dataset]
    given = {
        name: value
        for name in ("path", "columns", "rows", "seed")
        if (value := getattr(args, name)) is not None
    }
    unused = sorted(set(given) - dataset.options)
    if unused:
        raise DataError(
            f"{args.dataset} has no use for --{unused[0]}; "
            f"it takes {', '.join(f'--{name}' for name in sorted(dataset.options)) or 'no options'}"
        )
    for name in given.keys() & {"rows", "seed"}:
        if given[name] < (1 if name == "rows" else 0):
            raise DataError(
                f"--{name} {given[name]}; wanted a whole number from {1 if name == 'rows' else 0} up"
            )
    write_events(dataset.prepare(Source(**given)), args.out, check=read_events)
    rows = scan(args.out).select("user_id").collect().height
    print(f"{args.dataset}: {rows:,} events → {args.out}")


def _mapping(text: str) -> dict[str, str]:
    """Parse `user_id=A,item_id=B`."""
    pairs = [pair.partition("=") for pair in text.split(",") if pair]
    mapping: dict[str, Any] = {canonical.strip(): name.strip() for canonical, _, name in pairs}
    unknown = sorted(name for name in mapping if name not in CANONICAL)
    if unknown or not all(mapping.values()) or len(mapping) < len(pairs):
        raise argparse.ArgumentTypeError(
            f"{text!r}; wanted canonical=column pairs with commas between; canonical names: {', '.join(CANONICAL)}"
        )
    return mapping
