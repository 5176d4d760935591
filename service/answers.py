"""From a path and a query to the body of an answer, ready for `render.dumps`: what both ways to a handler share."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from service import parameters, render
from service.generate import Request, generate
from service.mix import MixRequest, mix
from service.parameters import Asked
from service.serving import Holder, Serving

Body = dict[str, Any]


async def candidates(_: Holder, serving: Serving, user: str, query: bytes) -> Body:
    """Answer GET /candidates/{user_id}."""
    asked = parameters.from_query(user, query, serving.release, serving.queries)
    return await generated(serving, asked)


async def blended(holder: Holder, serving: Serving, user: str, query: bytes) -> Body:
    """Answer GET /mix/{user_id}."""
    asked = parameters.mix_from_query(user, query, serving.release, serving.queries)
    return await mixed(holder, serving, asked)


Answer = Callable[[Holder, Serving, str, bytes], Awaitable[Body]]
HOT: Mapping[str, Answer] = {"candidates": candidates, "mix": blended}
"""The first part of a path, and what answers it."""


async def generated(serving: Serving, asked: Asked[Request]) -> Body:
    """Return the body of an answer of one generator."""
    stored = await serving.history.get(asked.request.user_id)
    found = generate(serving.release, asked.request, stored.history)
    found.degraded.extend(stored.degraded)
    return render.answer(serving.release, asked.request, found, asked.ids_as_strings)


async def mixed(holder: Holder, serving: Serving, asked: Asked[MixRequest]) -> Body:
    """Return the body of a blended answer."""
    stored = await serving.history.get(asked.request.user_id)
    found = mix(serving.release, asked.request, stored.history, holder.watch)
    found.degraded.extend(stored.degraded)
    holder.mix_log.offer(serving.release, asked.request, stored.history, found)
    return render.mix(serving.release, asked.request, found, asked.ids_as_strings)
