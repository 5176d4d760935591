"""`mixigen`: train the blender of a release, and say what it is worth."""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from service.store import Store
from training import mixigen, mixigen_report, mixigen_stage, planted_gap
from training.cli.options import add_set, add_store, check_writable
from training.events import read_events
from training.mixigen_stage import Stage
from training.served_log import Line, Served, read

NAME = "mixigen"
HELP = "train the blender of the release's generators and publish it"
REPORTS = Path("reports")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the subcommand."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--events", type=Path, metavar="E", help="canonical event log (parquet)")
    what.add_argument(
        "--planted",
        action="store_true",
        help="publish nothing; measure on a synthetic log how much of the gap between the best quota and an oracle "
        "the blender closes",
    )
    add_store(parser)
    parser.add_argument(
        "--report", action="store_true", help=f"also measure it: {REPORTS}/mixigen.md, .json and pictures"
    )
    add_set(parser, ", ".join(mixigen.Config.model_fields))
    parser.add_argument(
        "--from-log",
        type=Path,
        metavar="MIXES",
        help="also learn from mixes that were served: the file that CANDGEN_MIX_LOG named, and those of its workers; "
        "E must go on after them",
    )
    parser.add_argument("--candidate-log", type=Path, metavar="FILE", help="also write the candidate log (parquet)")


def run(args: argparse.Namespace) -> None:
    """Fit the release's models on the first part of the log, learn to blend them, publish."""
    if args.planted:
        config = mixigen.make_config({**planted_gap.VALUES, **dict(args.values)})
        print(planted_gap.as_markdown(planted_gap.measure(planted_gap.PLAN, config)))
        return
    if args.candidate_log:
        check_writable(args.candidate_log)
    lines = read(args.from_log) if args.from_log else []
    config, started = mixigen.make_config(dict(args.values)), time.perf_counter()
    store, events = Store(args.store), read_events(args.events)
    models = mixigen_stage.models_of(store, store.release())
    with mixigen_stage.make_stage(events, models, test=True) as stage:
        log = mixigen_stage.make_log(stage, config)
        if args.candidate_log:
            rows = mixigen_stage.write_candidate_log(stage, log, args.candidate_log)
            print(f"{args.candidate_log}: {rows:,} candidates")
        habits = mixigen_stage.make_habits(stage, log, config) if config.habits else None
        served = _served(stage, lines, events, report=args.report)
        blend = mixigen_stage.train_on(stage, log, config, habits, served)
        draft = mixigen_stage.make_draft(events, blend, config, time.perf_counter() - started)
        if args.report:
            print(mixigen_report.write(REPORTS, mixigen_report.make(stage, log, blend, config, habits)))
    release = store.publish([draft])
    print(f"mixigen={release.artifacts['mixigen']} trained in {draft.fit_seconds:.1f} s, release {release.release}")


def _served(stage: Stage, lines: Sequence[Line], events: pl.LazyFrame, *, report: bool) -> dict[bool, Served] | None:
    """Choose the lines of a mix log that teach something, and say how many they are."""
    if not lines:
        return None
    served = mixigen_stage.take_served(stage, lines, events, before_validation=report)
    print(f"mix log: {sum(len(own.requests) for own in served.values()):,} of {len(lines):,} mixes are learnt from")
    return served
