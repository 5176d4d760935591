"""`benchmark`: quality, fit times and ratios to other libraries, as tables."""

import argparse
import tempfile
from pathlib import Path

from service.store import Store
from training import benchmark, peers
from training.datasets import DATASETS
from training.errors import DataError
from training.pipeline import Log, Table, plan_for

NAME = "benchmark"
HELP = "measure all models on a dataset: quality, fit time, size; with --peers, speed against other libraries"

SPEED = "Speed against other libraries, two threads each"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the subcommand."""
    parser.add_argument("--dataset", required=True, choices=DATASETS, metavar="NAME", help=", ".join(DATASETS))
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for NAME.md and NAME.json")
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
        "--quick", action="store_true", help="with --peers: one round instead of three, fewer iterations, less data"
    )


def run(args: argparse.Namespace) -> None:
    """Prepare, measure, write the report, print it."""
    if args.peers is None:
        name, tables = args.dataset, _quality(args)
    else:
        name, tables = f"{args.dataset}-peers", _speed(args)
    print(benchmark.write(args.out, name, tables))


def _quality(args: argparse.Namespace) -> dict[str, Table]:
    plan = plan_for(args.dataset)
    with tempfile.TemporaryDirectory(prefix="candgen-") as folder:
        log = Log.prepare(args.dataset, {"path": args.path}, plan.split_by, Path(folder))
        quality, fits = benchmark.run(plan, log, Store(Path(folder) / "store"))
    levels = benchmark.with_reference_levels(quality, args.dataset)
    return {f"Quality, mean over {plan.unit}s": levels, "Fits": fits}


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
