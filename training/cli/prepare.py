"""`prepare`: make a canonical event log out of a dataset."""

import argparse
from pathlib import Path

from training.datasets import DATASETS, write
from training.events import CANONICAL

NAME = "prepare"
HELP = "write a dataset as a canonical event log"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the subcommand."""
    summaries = "; ".join(f"{name}: {dataset.summary}" for name, dataset in DATASETS.items())
    parser.add_argument("dataset", choices=DATASETS, metavar="NAME", help=summaries)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="parquet file to write")
    parser.add_argument("--path", type=Path, metavar="P", help="the raw data, instead of fetching it")
    parser.add_argument(
        "--columns", type=mapping, metavar="user_id=A,…", help="file: which column of the file is which"
    )
    parser.add_argument("--rows", type=int, metavar="N", help="synthetic: number of events")
    parser.add_argument("--seed", type=int, metavar="S", help="seed of every random draw (default 0)")


def run(args: argparse.Namespace) -> None:
    """Prepare, validate, and only then put the file in place."""
    options = {name: getattr(args, name) for name in ("path", "columns", "rows", "seed")}
    rows = write(args.dataset, options, args.out)
    print(f"{args.dataset}: {rows:,} events → {args.out}")


def mapping(text: str) -> dict[str, str]:
    """Parse `user_id=A,item_id=B`."""
    pairs = [pair.partition("=") for pair in text.split(",") if pair]
    columns = {canonical.strip(): name.strip() for canonical, _, name in pairs}
    unknown = any(name not in CANONICAL for name in columns)
    if unknown or not all(columns.values()) or len(columns) < len(pairs):
        raise argparse.ArgumentTypeError(
            f"{text!r}; wanted NAME=COLUMN pairs with commas between, NAME one of {', '.join(CANONICAL)}"
        )
    return columns
