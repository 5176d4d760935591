"""`fit`: one model from an event log, published beside what the release holds already."""

import argparse
from pathlib import Path
from typing import Any

from service.release_manifest import DATA
from service.store import Store
from training import preset
from training.algorithms import ALGORITHMS
from training.cli.options import add_set, add_store
from training.errors import DataError
from training.events import read_events
from training.fitting import Model, fit
from training.interactions import build

NAME = "fit"
HELP = "fit one model on the whole file and publish it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the subcommand."""
    parser.add_argument("algorithm", choices=ALGORITHMS, metavar="ALGORITHM", help=", ".join(ALGORITHMS))
    parser.add_argument("--events", type=Path, required=True, metavar="E", help="canonical event log (parquet)")
    add_store(parser)
    parser.add_argument("--preset", metavar="NAME", help=f"tuned values: {', '.join(preset.names())}")
    add_set(parser, _keys())
    parser.add_argument("--name", metavar="CG", help="value of cg= in the service (default: the algorithm)")
    parser.add_argument("--no-publish", action="store_true", help="write the artifacts, leave the release alone")


def run(args: argparse.Namespace) -> None:
    """Fit, write the artifacts, publish."""
    name = args.name or args.algorithm
    if name == DATA or name == "mix":
        raise DataError(f"--name {name}: that name is taken; choose another")
    tuned = preset.load(args.preset).get(args.algorithm, {}) if args.preset else {}
    values: dict[str, Any] = {**tuned, **dict(args.values)}
    model = Model(name, args.algorithm, values)
    drafts = list(fit(build(read_events(args.events)), [model]))
    store = Store(args.store)
    seconds = drafts[-1].fit_seconds
    if args.no_publish:
        versions = store.add(drafts)
        print(f"{name}={versions[name]} fitted in {seconds:.1f} s, not published")
        return
    release = store.publish(drafts)
    print(f"{name}={release.artifacts[name]} fitted in {seconds:.1f} s, release {release.release}")


def _keys() -> str:
    """Return help that names the keys of every algorithm."""
    keys = {name: ", ".join(algorithm.config.model_fields) for name, algorithm in ALGORITHMS.items()}
    return "; ".join(f"{name}: {fields}" for name, fields in keys.items())
