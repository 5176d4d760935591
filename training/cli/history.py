"""`history`: fill the service's Redis from an event log."""

import argparse
import re
from pathlib import Path

from service.settings import REDIS_SCHEMES
from training.events import read_events
from training.live_history import load

NAME = "history"
HELP = "write the interactions of a log to the Redis of the service, as POST /history would"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the subcommand."""
    parser.add_argument("--events", type=Path, required=True, metavar="E", help="canonical events (parquet)")
    parser.add_argument("--redis", type=_redis_url, required=True, metavar="URL", help="as CANDGEN_REDIS_URL")
    parser.add_argument("--since", type=int, metavar="SECONDS", help="only events from this unix time on")


def run(args: argparse.Namespace) -> None:
    """Write, and say how much."""
    users, added = load(read_events(args.events), args.redis, args.since)
    print(f"{users:,} users, {added:,} new events")


def _redis_url(text: str) -> str:
    if not re.match(REDIS_SCHEMES, text):
        raise argparse.ArgumentTypeError("wanted redis://, rediss:// or unix://, or redis+cluster://, and where it is")
    return text
