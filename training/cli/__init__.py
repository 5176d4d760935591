"""One module for each subcommand of `python -m training`."""

from argparse import ArgumentParser, Namespace
from typing import Protocol

from training.cli import (
    benchmark,
    candidates,
    evaluate,
    fit,
    history,
    inspect,
    mixigen,
    pipeline,
    prepare,
    prune,
    publish,
    releases,
    rollback,
    split,
)


class Command(Protocol):
    """What a module of a subcommand offers."""

    NAME: str
    HELP: str

    def add_arguments(self, parser: ArgumentParser, /) -> None:
        """Declare the arguments."""

    def run(self, args: Namespace, /) -> None:
        """Do the work."""


COMMANDS: tuple[Command, ...] = (
    prepare,
    split,
    fit,
    evaluate,
    candidates,
    mixigen,
    publish,
    rollback,
    releases,
    inspect,
    prune,
    history,
    pipeline,
    benchmark,
)
