"""`pipeline`: from a dataset's name to a served release in one command."""

import argparse
import tempfile
from pathlib import Path

from service.store import Store
from training import pipeline
from training.cli.options import add_store
from training.cli.prepare import mapping
from training.datasets import DATASETS
from training.tables import markdown

NAME = "pipeline"
HELP = "prepare a dataset, fit all models, evaluate them, publish one release"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the subcommand."""
    parser.add_argument("--dataset", required=True, choices=DATASETS, metavar="NAME", help=", ".join(DATASETS))
    add_store(parser)
    parser.add_argument("--path", type=Path, metavar="P", help="the raw data, instead of fetching it")
    parser.add_argument(
        "--columns",
        type=mapping,
        metavar="user_id=A,…",
        help="file: which column of the file is which",
    )
    parser.add_argument("--no-refit", action="store_true", help="serve the models of the train part (80 %%)")


def run(args: argparse.Namespace) -> None:
    """Prepare and split into a temporary folder, then run."""
    plan = pipeline.plan_for(args.dataset)
    with tempfile.TemporaryDirectory(prefix="candgen-") as folder:
        options = {"path": args.path, "columns": args.columns}
        log = pipeline.Log.prepare(args.dataset, options, plan.split_by, Path(folder))
        scratch = Store(Path(folder) / "store")
        release, quality = pipeline.run(Store(args.store), scratch, plan, log, not args.no_refit)
    print(markdown("cg", pipeline.quality_table(quality)))
    print(f"release {release.release} is served from {args.store}")
