"""`benchmark`: the quality report of a dataset, or ratios to other libraries as tables."""

import argparse
import tempfile
from pathlib import Path

from training import benchmark, peers, report
from training.datasets import DATASETS
from training.errors import DataError
from training.pipeline import Log, Table, plan_for

NAME = "benchmark"
HELP = "measure all models on a dataset, as a report; with --peers, speed against other libraries"

SPEED = "Speed against other libraries, two threads each"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the subcommand."""
    parser.add_argument("--dataset", required=True, choices=DATASETS, metavar="NAME", help=", ".join(DATASETS))
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for NAME.html, .md, .json, and pictures in NAME/"
    )
    parser.add_argument("--path", type=Path, metavar="P", help="the raw data, instead of fetching it")
    parser.add_argument(
        "--peers",
        nargs="*",
        choices=(*peers.COMPARISONS, *peers.LARGE),
        metavar="NAME",
        help="only the ratios to other libraries (extra: peers): these, or all of "
        f"{', '.join(peers.COMPARISONS)}; with --dataset synthetic also {', '.join(peers.LARGE)}, which take minutes",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="a sample of the users; with --peers: one round instead of three, fewer iterations, less data",
    )
    parser.add_argument(
        "--again",
        nargs="+",
        choices=tuple(report.SECTIONS),
        default=[],
        metavar="SECTION",
        help=f"sections of the report to measure anew: {', '.join(report.SECTIONS)}",
    )


def run(args: argparse.Namespace) -> None:
    """Prepare, measure, write the report, print it."""
    print(_quality(args) if args.peers is None else benchmark.write(args.out, f"{args.dataset}-peers", _speed(args)))


def _quality(args: argparse.Namespace) -> str:
    plan = plan_for(args.dataset)
    with tempfile.TemporaryDirectory(prefix="candgen-") as folder:
        log = Log.prepare(args.dataset, {"path": args.path}, plan.split_by, Path(folder))
        return report.run(args.dataset, plan, log, args.out, quick=args.quick, again=args.again)


def _speed(args: argparse.Namespace) -> dict[str, Table]:
    names = list(dict.fromkeys(args.peers or peers.COMPARISONS))
    large = [name for name in names if name in peers.LARGE]
    if large and args.dataset != "synthetic":
        raise DataError(f"--peers {large[0]} with --dataset {args.dataset}: it makes its data; use --dataset synthetic")
    tables = {}
    if ratios := [name for name in names if name not in large]:
        plan = plan_for(args.dataset)
        with tempfile.TemporaryDirectory(prefix="candgen-") as folder:
            log = Log.prepare(args.dataset, {"path": args.path}, plan.split_by, Path(folder))
            rounds = 1 if args.quick else 3
            tables[SPEED] = peers.compare(plan, log, ratios, rounds=rounds, quick=args.quick)
    return tables | peers.measure_large(large, args.quick)
