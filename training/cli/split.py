"""`split`: cut an event log into a train and a test part."""

import argparse
from pathlib import Path

from training.errors import DataError
from training.events import read_events
from training.split import SPLITS, write_split

NAME = "split"
HELP = "split an event log into a train and a test part"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the subcommand."""
    parser.add_argument("--events", type=Path, required=True, metavar="E", help="event log (parquet) to split")
    parser.add_argument("--train", type=Path, required=True, metavar="A", help="where to write the train part")
    parser.add_argument("--test", type=Path, required=True, metavar="B", help="where to write the test part")
    parser.add_argument("--by", choices=SPLITS, default="time", help="one cut in time, or one for each user")
    parser.add_argument(
        "--test-share",
        type=float,
        default=0.2,
        metavar="S",
        help="share of the interactions in the test part",
    )


def run(args: argparse.Namespace) -> None:
    """Write both parts and print how many rows went where."""
    if len({path.resolve() for path in (args.events, args.train, args.test)}) < 3:
        raise DataError(
            f"--events {args.events}, --train {args.train}, --test {args.test}: "
            "wanted three different files; rename one"
        )
    counts = write_split(args.by, read_events(args.events), args.train, args.test, args.test_share)
    print(f"train    {counts['train']:>12,} rows  {args.train}")
    print(f"test     {counts['test']:>12,} rows  {args.test}")
    print(f"dropped  {counts['dropped']:>12,} rows  of requests that began before the cut")
