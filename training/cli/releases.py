"""`releases`: what is in the store."""

import argparse

from service.store import Store
from training.cli.options import add_store
from training.tables import markdown

NAME = "releases"
HELP = "list the releases of a store, newest last"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the subcommand."""
    add_store(parser)


def run(args: argparse.Namespace) -> None:
    """Print a table; the served release is marked."""
    store = Store(args.store)
    served = store.current() or store.release().release
    rows: dict[str, dict[str, object]] = {}
    for name in store.releases():
        release = store.release(name)
        rows[name] = {
            "served": "yes" if name == served else "",
            "created": release.created,
            "parent": release.parent or "",
            "artifacts": ", ".join(release.artifacts),
            "exclude_seen": release.exclude_seen,
        }
    print(markdown("release", rows))
