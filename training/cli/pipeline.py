"""`pipeline`: from a dataset's name to a served release in one command."""

import argparse
import tempfile
from pathlib import Path

from service.store import Store
from training import pipeline
from training.cli import prepare, split
from training.cli.options import add_store
from training.datasets import DATASETS
from training.tables import markdown

NAME = "pipeline"
HELP = "prepare a dataset, fit all models, evaluate them, publish one release"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the subcommand."""
    parser.add_argument(
        "--dataset", required=True, choices=DATASETS, metavar="NAME", help=", ".join(DATASETS)
    )
    add_store(parser)
    parser.add_argument("--path", type=Path, metavar="P", help="the raw data, instead of fetching it")
    parser.add_argument(
        "--columns",
        type=prepare.mapping,
        metavar="user_id=A,…",
        help="file: which column of the file is which",
    )
    parser.add_argument("--no-refit", action="store_true", help="serve the models of the train part (80 %%)")


def run(args: argparse.Namespace) -> None:
    """Prepare and split into a temporary folder, then run."""
    plan = pipeline.plan_for(args.dataset)
    with tempfile.TemporaryDirectory(prefix="candgen-") as folder:
        events, train, test = (Path(folder) / f"{name}.parquet" for name in ("events", "train", "test"))
        prepare.run(
            argparse.Namespace(
                dataset=args.dataset, out=events, path=args.path, columns=args.columns, rows=None, seed=None
            )
        )
        split.run(argparse.Namespace(events=events, train=train, test=test, by=plan.by, test_share=0.2))
        release, quality = pipeline.run(Store(args.store), plan, train, test, events, not args.no_refit)
    print(markdown("cg", quality))
    print(f"release {release.release} is served from {args.store}")
