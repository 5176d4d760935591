"""`rollback`: serve an earlier release again."""

import argparse

from service.store import Store
from training.cli.options import add_store

NAME = "rollback"
HELP = "serve the parent of the current release again, or a named one"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the subcommand."""
    add_store(parser)
    parser.add_argument("--to", metavar="R", help="release to serve (default: the parent)")


def run(args: argparse.Namespace) -> None:
    """Replace CURRENT."""
    print(f"release {Store(args.store).rollback(args.to)} is served")
