"""Errors of the domain; each message says what was seen, what was wanted and the remedy.

`service.problems` maps them to HTTP; the command line prints them as one line with exit status 2.
"""

from collections.abc import Sequence


class CandgenError(Exception):
    """Base of all errors that are the caller's or the operator's to mend."""


class StoreError(CandgenError):
    """The store cannot do what was asked: no such release, mixed id types, not writable, …."""


class ArtifactError(StoreError):
    """An artifact on disk is not what its manifest says; it must not be served."""


class NotWritableError(StoreError):
    """The store cannot be written to from here; the message names what can be done instead."""


class HistoryUnavailableError(CandgenError):
    """The store of live events does not answer; try again later."""


class HistoryReadOnlyError(CandgenError):
    """The history provider takes no events."""


class AdminOffError(CandgenError):
    """There is no key, so nobody may do this."""


class WrongKeyError(CandgenError):
    """The key is missing or another one."""


class InvalidRequestError(CandgenError):
    """A request that can be parsed but not be meant; `name` is the parameter at fault."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name
        self.message = message


class UnknownCGError(CandgenError):
    """A candidate generator that the release does not have."""

    def __init__(self, name: str, valid: Sequence[str]) -> None:
        super().__init__(f"no candidate generator {name!r} in this release; it has: {', '.join(valid)}")
        self.valid = list(valid)


class NotReadyError(CandgenError):
    """No release is loaded (yet)."""


class UnknownItemError(CandgenError):
    """An item that the release does not have, asked for by itself."""


class NotAbleError(CandgenError):
    """A candidate generator that cannot do what was asked; `valid` can."""

    def __init__(self, message: str, valid: Sequence[str]) -> None:
        super().__init__(f"{message}; able: {', '.join(valid) or 'none of this release'}")
        self.valid = list(valid)
