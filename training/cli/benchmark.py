"""`benchmark`: the quality report of a dataset, or ratios to other libraries as tables."""

import argparse
import tempfile
from pathlib import Path

from training import benchmark, peers, report
from training.datasets import DATASETS
from training.pipeline import Log, plan_for

NAME = "benchmark"
HELP = "measure all models on a dataset, as a report; with --peers, speed against other libraries"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the subcommand."""
    parser.add_argument("--dataset", required=True, choices=DATASETS, metavar="NAME", help=", ".join(DATASETS))
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for NAME.html, .md, .json")
    parser.add_argument("--path", type=Path, metavar="P", help="the raw data, instead of fetching it")
    parser.add_argument("--peers", action="store_true", help="only the ratios to other libraries (extra: peers)")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="a sample of the users; with --peers: one round instead of three, fewer iterations",
    )


def run(args: argparse.Namespace) -> None:
    """Prepare, measure, write the report, print it."""
    plan = plan_for(args.dataset)
    with tempfile.TemporaryDirectory(prefix="candgen-") as folder:
        log = Log.prepare(args.dataset, {"path": args.path}, plan.split_by, Path(folder))
        if args.peers:
            ratios = peers.compare(plan, log, rounds=1 if args.quick else 3, quick=args.quick)
            tables = {"Speed against other libraries, two threads each": ratios}
            text = benchmark.write(args.out, f"{args.dataset}-peers", tables)
        else:
            text = report.run(args.dataset, plan, log, args.out, quick=args.quick)
    print(text)
