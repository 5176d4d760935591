"""Arguments that several subcommands share."""

import argparse
from pathlib import Path

from training.errors import DataError


def add_store(parser: argparse.ArgumentParser) -> None:
    """Declare --store."""
    parser.add_argument("--store", type=Path, default=Path("models_store"), metavar="DIR", help="default: models_store")


def add_seen(parser: argparse.ArgumentParser, default: str) -> None:
    """Declare --exclude-seen | --include-seen as one value `exclude_seen`: true, false or none."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--exclude-seen",
        action="store_const",
        const=True,
        dest="exclude_seen",
        help=f"items of the history are not returned (default: {default})",
    )
    group.add_argument(
        "--include-seen",
        action="store_const",
        const=False,
        dest="exclude_seen",
        help="items of the history may be returned",
    )


def add_set(parser: argparse.ArgumentParser, keys: str) -> None:
    """Declare --set KEY=VALUE … as pairs in `values`; `keys` is its help."""
    parser.add_argument(
        "--set", type=key_value, nargs="+", action="extend", default=[], dest="values", metavar="KEY=VALUE", help=keys
    )


def names(text: str) -> list[str]:
    """Parse `a,b`."""
    return [name.strip() for name in text.split(",") if name.strip()]


def key_value(text: str) -> tuple[str, str]:
    """Parse `key=value`."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise argparse.ArgumentTypeError(f"{text!r} is not key=value")
    return key, value


def positive(text: str) -> int:
    """Parse a whole number of at least 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return value


def check_writable(path: Path) -> None:
    """Raise before long work if its result could not be written."""
    if path.is_dir():
        raise DataError(f"{path}: is a folder; wanted the name of a file to write")
