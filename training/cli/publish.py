"""`publish`: a new release out of artifacts that are in the store, or with other settings."""

import argparse

from service.store import Store
from training.cli.options import add_seen, add_store, key_value

NAME = "publish"
HELP = "make and serve a new release from artifacts of the store, or change its settings"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the subcommand."""
    add_store(parser)
    parser.add_argument(
        "--artifact",
        type=key_value,
        nargs="+",
        action="extend",
        default=[],
        dest="artifacts",
        metavar="NAME=VERSION",
        help="put this version of an artifact into the release",
    )
    parser.add_argument("--release", metavar="R", help="release to start from (default: the served one)")
    parser.add_argument("--default-cg", metavar="CG", help="CG of requests that name none")
    add_seen(parser, "as the release it starts from; true in a new store")


def run(args: argparse.Namespace) -> None:
    """Publish."""
    release = Store(args.store).publish(
        artifacts=dict(args.artifacts),
        base=args.release,
        exclude_seen=args.exclude_seen,
        default_cg=args.default_cg,
    )
    print(f"release {release.release}: {', '.join(f'{n}={v}' for n, v in release.artifacts.items())}")
