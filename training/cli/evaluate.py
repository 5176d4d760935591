"""`evaluate`: quality of a release on a test log."""

import argparse
import json
import sys
from pathlib import Path

from service import registry
from service.store import Store
from training.cli.options import add_seen, add_store, names, positive
from training.errors import DataError
from training.evaluation import Settings, evaluate
from training.events import read_events
from training.named_lists import MIXES
from training.tables import markdown

NAME = "evaluate"
HELP = "measure recall, ndcg, novelty and category diversity of a release on a test log"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the subcommand."""
    add_store(parser)
    parser.add_argument("--events", type=Path, required=True, metavar="TEST", help="canonical event log")
    parser.add_argument("--release", metavar="R", help="default: the served one")
    parser.add_argument(
        "--cgs", type=names, default=[], metavar="a,b", help=f"default: all of the release; also {', '.join(MIXES)}"
    )
    parser.add_argument("--k", type=positive, action="append", metavar="K", help="cut-off (default: 10 and 50)")
    parser.add_argument("--by", choices=("request", "user"), default="request", help="default: request")
    add_seen(parser, "the release's setting")
    parser.add_argument("--include-cold", action="store_true", help="count users the release does not know")
    parser.add_argument("--json", metavar="FILE", help="write one JSON object; - for standard output, alone")


def run(args: argparse.Namespace) -> None:
    """Load the release as the service does, evaluate, print."""
    settings = Settings(
        ks=tuple(sorted(set(args.k or (10, 50)))),
        by=args.by,
        exclude_seen=args.exclude_seen,
        include_cold=args.include_cold,
    )
    release = registry.load(Store(args.store), args.release)
    result = evaluate(release, read_events(args.events), args.cgs, settings)
    if args.json == "-":
        json.dump(result, sys.stdout)
        print()
        return
    if args.json:
        try:
            Path(args.json).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise DataError(f"{args.json}: cannot be written ({error.strerror})") from None
    print(markdown("cg", result))
