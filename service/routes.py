"""HTTP handlers: translate, delegate, answer. What can go wrong is mapped in `problems`."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from service import answers, inventory, metrics_text, openapi, parameters, problems, render, schemas
from service.body import read_json
from service.errors import CandgenError
from service.metrics_share import Share
from service.serving import Holder, Served, Serving
from service.similar import similar


class DirectRoute(APIRoute):
    """A route whose handler takes the request as it is: no dependencies to be solved."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the endpoint itself."""
        endpoint: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return endpoint


router = APIRouter(route_class=DirectRoute)


@router.get("/candidates/{user_id}", **openapi.operation(schemas.Candidates, openapi.CANDIDATES))
async def get_candidates(request: Request) -> Response:
    """Candidates of one generator for one user."""
    user = _path_value(request, "user_id")
    serving = _holder(request).serving_for(user)
    return _json(
        await answers.answered(answers.CANDIDATES, _holder(request), serving, user, _query(request)), serving, request
    )


@router.post("/candidates", **openapi.operation(schemas.Candidates, openapi.CANDIDATES_BODY))
async def post_candidates(request: Request) -> Response:
    """The same with the parameters in a JSON body: for long lists, and ids with a comma or slash."""
    served = _holder(request).served
    body = await read_json(request)
    serving = served.of(parameters.echoed_user(body))
    asked = parameters.from_body(body, serving.release)
    return _json(await answers.to_asked(answers.CANDIDATES, _holder(request), serving, asked), serving, request)


@router.post("/candidates:batch", **openapi.operation(schemas.BatchAnswer, openapi.BATCH_BODY))
async def post_batch(request: Request) -> Response:
    """Up to 64 requests at once, none answered from a release of later; one may fail without the others."""
    served = _holder(request).served
    bodies = parameters.batch(await read_json(request))
    return _json({"results": [await _batch_item(request, served, body) for body in bodies]}, served.main)


@router.get("/mix/{user_id}", **openapi.operation(schemas.Mix, openapi.MIX))
async def get_mix(request: Request) -> Response:
    """Candidates of several generators, blended for one user at one moment."""
    user = _path_value(request, "user_id")
    serving = _holder(request).serving_for(user)
    return _json(
        await answers.answered(answers.MIX, _holder(request), serving, user, _query(request)), serving, request
    )


@router.post("/mix", **openapi.operation(schemas.Mix, openapi.MIX_BODY))
async def post_mix(request: Request) -> Response:
    """The same with the parameters in a JSON body."""
    served = _holder(request).served
    body = await read_json(request)
    serving = served.of(parameters.echoed_user(body))
    asked = parameters.mix_from_body(body, serving.release)
    return _json(await answers.to_asked(answers.MIX, _holder(request), serving, asked), serving, request)


@router.get("/similar/{item_id}", **openapi.operation(schemas.SimilarItems, openapi.SIMILAR))
async def get_similar(request: Request) -> Response:
    """Items that go with an item; without `cg` the default generator, or the first that can."""
    serving = _serving(request)
    item_id, asked = parameters.similar_from_query(_path_value(request, "item_id"), _query(request), serving.release)
    found = similar(serving.release, item_id, asked.request)
    return _json(render.similar(serving.release, found, asked.ids_as_strings), serving)


@router.get("/cgs", **openapi.operation(schemas.CGs))
async def get_cgs(request: Request) -> Response:
    """The candidate generators of the served release."""
    serving = _serving(request)
    release = serving.release
    described = {"release": release.name, "cgs": inventory.cgs(release), "mixigen": inventory.mixigen(release)}
    return _json(described, serving)


@router.get("/releases", **openapi.operation(schemas.Releases))
async def get_releases(request: Request) -> Response:
    """The releases in the store, and what each worker serves."""
    holder = _holder(request)
    stored = await asyncio.to_thread(inventory.releases, holder.store)
    return _json({**stored, "workers": await asyncio.to_thread(holder.workers.all)})


@router.get("/health/live", **openapi.operation(schemas.Health))
async def get_live(_: Request) -> Response:
    """Whether the process answers; also while a release is being loaded."""
    return _json({"status": "live"})


@router.get("/health/ready", **openapi.operation(schemas.Health))
async def get_ready(request: Request) -> Response:
    """Whether a release is served; 503 with the reason if not."""
    request.app.state.drain.check()
    serving = _serving(request)
    return _json({"status": "ready", "release": serving.release.name}, serving)


@router.get("/metrics", include_in_schema=False)
async def get_metrics(request: Request) -> Response:
    """What all workers counted, for Prometheus."""
    share: Share = request.app.state.share
    return Response(metrics_text.text(await asyncio.to_thread(share.collect)), media_type=metrics_text.CONTENT_TYPE)


async def _batch_item(request: Request, served: Served, body: object) -> dict[str, Any]:
    await asyncio.sleep(0)  # let other requests in between
    serving = served.of(parameters.echoed_user(body))
    try:
        asked = parameters.from_body(body, serving.release)
        return await answers.to_asked(answers.CANDIDATES, _holder(request), serving, asked)
    except CandgenError as error:
        return {"user_id": parameters.echoed_user(body), "error": problems.problem(error, request)}


def _json(body: object, serving: Serving | None = None, request: Request | None = None) -> Response:
    """Render an answer; with the request, its metrics say what the answer is."""
    if request is not None:
        request.scope["state"]["answer"] = body
    headers = {"X-Model-Release": serving.release.name} if serving else None
    return Response(render.dumps(body), headers=headers, media_type="application/json")


def _holder(request: Request) -> Holder:
    holder: Holder = request.app.state.holder
    return holder


def _serving(request: Request) -> Serving:
    return _holder(request).serving


def _query(request: Request) -> bytes:
    query: bytes = request.scope["query_string"]
    return query


def _path_value(request: Request, name: str) -> str:
    return parameters.decoded_path_value(request.path_params[name], request.scope.get("raw_path", b""))
