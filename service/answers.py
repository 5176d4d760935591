"""From a path and a query to the body of an answer, ready for `render.dumps`: what all ways to a handler share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from service import parameters, render
from service.generate import Answer, Request, generate
from service.history import Lookup
from service.mix import MixAnswer, MixRequest, mix
from service.parameters import Asked
from service.registry import Release
from service.serving import Holder, Serving

Body = dict[str, Any]


def _candidates(_: Holder, serving: Serving, asked: Asked[Request], stored: Lookup) -> Answer:
    found = generate(serving.release, asked.request, stored.history)
    found.degraded.extend(stored.degraded)
    return found


def _blend(holder: Holder, serving: Serving, asked: Asked[MixRequest], stored: Lookup) -> MixAnswer:
    found = mix(serving.release, asked.request, stored.history, holder.watch)
    found.degraded.extend(stored.degraded)
    holder.mix_log.offer(serving.release, asked.request, stored.history, found)
    return found


@dataclass(frozen=True, slots=True)
class Question:
    """A kind of request that a user's path and a query make, and the steps to its answer."""

    read: Callable[..., Asked[Any]]
    """(user, query, release, memo) → what is asked."""
    find: Callable[[Holder, Serving, Any, Lookup], Any]
    """What was found."""
    render: Callable[[Release, Any, Any, bool], Body]
    """(release, request, what was found, ids as strings) → the body of the answer."""

    def answer(self, holder: Holder, serving: Serving, asked: Asked[Any], stored: Lookup) -> Body:
        """Return the body of the answer to what was read."""
        return self.body(serving, asked, self.find(holder, serving, asked, stored))

    def body(self, serving: Serving, asked: Asked[Any], found: Any) -> Body:
        """Return the body of the answer that gives what was found."""
        return self.render(serving.release, asked.request, found, asked.ids_as_strings)


CANDIDATES = Question(parameters.from_query, _candidates, render.answer)
MIX = Question(parameters.mix_from_query, _blend, render.mix)
HOT: Mapping[str, Question] = {"candidates": CANDIDATES, "mix": MIX}
"""What is asked by the first part of a path."""


async def answered(question: Question, holder: Holder, serving: Serving, user: str, query: bytes) -> Body:
    """Answer the question of a path and a query."""
    return await to_asked(question, holder, serving, question.read(user, query, serving.release, serving.queries))


async def to_asked(question: Question, holder: Holder, serving: Serving, asked: Asked[Any]) -> Body:
    """Answer a question that has been read."""
    return question.answer(holder, serving, asked, await serving.history.get(asked.request.user_id))
