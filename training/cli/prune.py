"""`prune`: remove old releases and what only they used."""

import argparse

from service.store import Store
from training.cli.options import add_store, positive

NAME = "prune"
HELP = "remove all but the last K releases and their artifacts; the served one always stays"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the subcommand."""
    add_store(parser)
    parser.add_argument("--keep", type=positive, required=True, metavar="K", help="number of releases to keep")


def run(args: argparse.Namespace) -> None:
    """Remove, and say what."""
    removed = Store(args.store).prune(args.keep)
    print("\n".join(f"removed {name}" for name in removed) or "nothing to remove")
