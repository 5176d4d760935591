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

T = TypeVar("T")
_AHEAD = 1024


def answers(release: Release, users: Sequence[Id], make: Callable[[Id], Request], label: str) -> Iterator[Answer]:
    """Yield the answer for each user in order, computed on all cores (the kernels release the GIL)."""

    def answer(user: Id) -> Answer:
        return generate(release, make(user), release.history.lookup(user))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from track(_bounded_map(pool, answer, users), label, total=len(users))


def _bounded_map(pool: ThreadPoolExecutor, work: Callable[[Id], T], users: Sequence[Id]) -> Iterator[T]:
    """Map in order, with no more than a few blocks of results in memory."""
    remaining = iter(users)
    while block := list(islice(remaining, _AHEAD)):
        yield from pool.map(work, block)
