"""Lists for many users at once, through the very objects and the function that answer requests."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from service.generate import Answer, Request, generate
from service.ids import Id
from service.registry import Release
from training.progress import track

S = TypeVar("S")
T = TypeVar("T")
_AHEAD = 1024


def answers(release: Release, users: Sequence[Id], make: Callable[[Id], Request], label: str) -> Iterator[Answer]:
    """Yield the answer for each user in order."""
    return in_order(lambda user: generate(release, make(user), release.history.lookup(user)), users, label)


def in_order(work: Callable[[S], T], things: Sequence[S], label: str) -> Iterator[T]:
    """Yield `work` of each thing in order, computed on all cores (the kernels release the GIL)."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from track(_bounded_map(pool, work, things), label, total=len(things))


def _bounded_map(pool: ThreadPoolExecutor, work: Callable[[S], T], things: Sequence[S]) -> Iterator[T]:
    """Map in order, with no more than a few blocks of results in memory."""
    remaining = iter(things)
    while block := list(islice(remaining, _AHEAD)):
        yield from pool.map(work, block)
