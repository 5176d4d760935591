"""From a path and a query to the body of an answer, ready for `render.dumps`: what all ways to a handler share."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service import parameters, render
from service.attempt import attempt
from service.generate import Answer, generate_each
from service.history import Lookup
from service.mix import MixAnswer, mixes
from service.parameters import Asked
from service.record import record
from service.registry import Release
from service.serving import Holder, Serving

Body = dict[str, Any]


@record
class Pending:
    """A question that has been read, and the history of its user."""

    serving: Serving
    asked: Asked[Any]
    stored: Lookup


def _asked(pending: Sequence[Pending]) -> list[Any]:
    return [(one.serving.release, one.asked.request, one.stored.history) for one in pending]


def _candidates(_: Holder, pending: Sequence[Pending]) -> Iterator[Mapping[int, Answer | Exception]]:
    for found in generate_each(_asked(pending)):
        for place, answer in found.items():
            if not isinstance(answer, Exception):
                answer.degraded.extend(pending[place].stored.degraded)
        yield found


def _blends(holder: Holder, pending: Sequence[Pending]) -> Iterator[Mapping[int, MixAnswer | Exception]]:
    found = mixes(_asked(pending), holder.watch)
    yield {place: attempt(_noted, holder, pending[place], answer) for place, answer in enumerate(found)}


def _noted(holder: Holder, one: Pending, found: MixAnswer | Exception) -> MixAnswer:
    if isinstance(found, Exception):
        raise found
    found.degraded.extend(one.stored.degraded)
    holder.mix_log.offer(one.serving.release, one.asked.request, one.stored.history, found)
    return found


@dataclass(frozen=True, slots=True)
class Question:
    """A kind of request that a user's path and a query make, and the steps to its answer."""

    read: Callable[..., Asked[Any]]
    """(user, query, release, memo) → what is asked."""
    find: Callable[[Holder, Sequence[Pending]], Iterator[Mapping[int, Any]]]
    """What was found for each of several by its place, or the error, as soon as some of it is there."""
    render: Callable[[Release, Any, Any, bool], Body]
    """(release, request, what was found, ids as strings) → the body of the answer."""

    def answer(self, holder: Holder, one: Pending) -> Body:
        """Return the body of the answer to what was read."""
        found = next(self.find(holder, [one]))[0]
        if isinstance(found, Exception):
            raise found
        return self.body(one, found)

    def body(self, one: Pending, found: Any) -> Body:
        """Return the body of the answer that gives what was found."""
        return self.render(one.serving.release, one.asked.request, found, one.asked.ids_as_strings)


CANDIDATES = Question(parameters.from_query, _candidates, render.answer)
MIX = Question(parameters.mix_from_query, _blends, render.mix)
HOT: Mapping[str, Question] = {"candidates": CANDIDATES, "mix": MIX}
"""What is asked by the first part of a path."""


async def answered(question: Question, holder: Holder, serving: Serving, user: str, query: bytes) -> Body:
    """Answer the question of a path and a query."""
    return await to_asked(question, holder, serving, question.read(user, query, serving.release, serving.queries))


async def to_asked(question: Question, holder: Holder, serving: Serving, asked: Asked[Any]) -> Body:
    """Answer a question that has been read."""
    return question.answer(holder, Pending(serving, asked, await serving.history.get(asked.request.user_id)))
