"""`candidates`: an offline batch, with the objects and the answers of the service."""

import argparse
from pathlib import Path

from service import registry
from service.store import Store
from training.batch import read_users, write_candidates
from training.cli.options import add_seen, add_store, check_writable, names, positive
from training.named_lists import MIXES

NAME = "candidates"
HELP = "write the candidates of many users to a parquet file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the subcommand."""
    add_store(parser)
    parser.add_argument(
        "--users",
        type=Path,
        required=True,
        metavar="FILE",
        help="one id per line, or parquet/CSV with user_id",
    )
    parser.add_argument(
        "--cgs", type=names, default=[], metavar="a,b", help=f"default: the release's default; also {', '.join(MIXES)}"
    )
    parser.add_argument("--n", type=positive, required=True, metavar="N", help="candidates for each user and CG")
    parser.add_argument("--out", type=Path, required=True, metavar="X.parquet", help="file to write")
    parser.add_argument("--release", metavar="R", help="default: the served one")
    add_seen(parser, "the release's setting")


def run(args: argparse.Namespace) -> None:
    """Answer for every user, write the file whole."""
    check_writable(args.out)
    release = registry.load(Store(args.store), args.release)
    cgs = args.cgs or [release.manifest.default_cg]
    users = read_users(args.users, release.users.type)
    rows = write_candidates(release, users, cgs, args.n, args.exclude_seen, args.out)
    print(f"{len(users):,} users, {rows:,} candidates → {args.out}")
