"""Errors as values: for work on several requests, of which one that fails is no matter of the others."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def attempt(step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | Exception:
    """Return what a step returns, or the error that it raises."""
    try:
        return step(*args, **kwargs)
    except Exception as error:
        return error
