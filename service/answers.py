"""From a path and a query to the body of an answer, ready for `render.dumps`: what all ways to a handler share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from service import parameters, render
from service.generate import Request, generate
from service.history import Lookup
from service.mix import MixRequest, mix
from service.parameters import Asked
from service.serving import Holder, Serving

Body = dict[str, Any]


def candidates(_: Holder, serving: Serving, asked: Asked[Request], stored: Lookup) -> Body:
    """Return the body of an answer of one generator."""
    found = generate(serving.release, asked.request, stored.history)
    found.degraded.extend(stored.degraded)
    return render.answer(serving.release, asked.request, found, asked.ids_as_strings)


def blend(holder: Holder, serving: Serving, asked: Asked[MixRequest], stored: Lookup) -> Body:
    """Return the body of a blended answer."""
    found = mix(serving.release, asked.request, stored.history, holder.watch)
    found.degraded.extend(stored.degraded)
    holder.mix_log.offer(serving.release, asked.request, stored.history, found)
    return render.mix(serving.release, asked.request, found, asked.ids_as_strings)


@dataclass(frozen=True, slots=True)
class Question:
    """A kind of request that a user's path and a query make."""

    read: Callable[..., Asked[Any]]
    """(user, query, release, memo) → what is asked."""
    answer: Callable[[Holder, Serving, Any, Lookup], Body]


CANDIDATES = Question(parameters.from_query, candidates)
MIX = Question(parameters.mix_from_query, blend)
HOT: Mapping[str, Question] = {"candidates": CANDIDATES, "mix": MIX}
"""What is asked by the first part of a path."""


async def answered(question: Question, holder: Holder, serving: Serving, user: str, query: bytes) -> Body:
    """Answer the question of a path and a query."""
    return await to_asked(question, holder, serving, question.read(user, query, serving.release, serving.queries))


async def to_asked(question: Question, holder: Holder, serving: Serving, asked: Asked[Any]) -> Body:
    """Answer a question that has been read."""
    return question.answer(holder, serving, asked, await serving.history.get(asked.request.user_id))
