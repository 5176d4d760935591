"""The web application: what it is made of, and its life."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import FastAPI

from service import admin, docs, history_routes, logs, playground, problems, routes, settings, vitals
from service.drain import Drain
from service.gate import Gate
from service.hot import HotApp
from service.metrics_share import Share, shared_folder
from service.middleware import EdgeMiddleware
from service.other_releases import OtherReleases
from service.protocol import AT_ONCE, DRAIN, GATE
from service.serving import LOADING, Holder
from service.settings import Settings
from service.swap import Swapper

PATIENCE_SECONDS = 60
"""So long a worker among others waits for its release before it listens: they share a socket, so whoever listens
gets requests, and one that is not ready would answer 503 while another could have answered."""
DESCRIPTION = "Candidates for a ranking service: which items are worth ranking for a user."


def create_app(given: Settings) -> FastAPI:
    """Return the app; it loads its release in the background once it is started."""
    app = HotApp(
        title="Candgen",
        version=_version(),
        description=DESCRIPTION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
    )
    app.state.holder = Holder(given)
    app.state.share = Share(shared_folder())
    app.state.gate = Gate(given.queue_budget_ms / 1000)
    app.state.drain = Drain(given.drain_seconds)
    app.state.at_once = app.at_once
    app.state.patience = PATIENCE_SECONDS if given.workers > 1 else 0
    front = playground.router if given.playground else playground.without
    routers = (routes.router, history_routes.router, admin.router, docs.router, front)
    app.state.others = OtherReleases(app.state.holder.store)
    app.state.routes = [route for router in routers for route in router.routes]
    for router in routers:
        app.include_router(router)
    app.add_middleware(EdgeMiddleware)
    problems.install(app)
    return app


def from_environment() -> FastAPI:
    """Return the app of a worker process: settings from the environment, log to standard error."""
    given = settings.read()
    logs.install(given.log_format)
    return create_app(given)


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    holder: Holder = app.state.holder
    app.state.share.open()
    app.state.drain.install()
    app.state.swapper = Swapper(holder)
    work = [app.state.swapper.run(), vitals.keep_reporting(app.state.share, app.state.swapper, holder)]
    if holder.events:
        work.append(holder.events.run())
    tasks = [asyncio.create_task(one) for one in work]
    await _first_load(holder, app.state.patience)
    try:
        yield {GATE: app.state.gate, DRAIN: app.state.drain, AT_ONCE: app.state.at_once}
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if holder.events:
            await holder.events.close()
        holder.mix_log.close()
        app.state.share.close()


async def _first_load(holder: Holder, seconds: float) -> None:
    """Wait for the first release, unless there is none to be had."""
    end = time.monotonic() + seconds
    while holder.release_name is None and holder.reason == LOADING and time.monotonic() < end:
        await asyncio.sleep(0.02)


def _version() -> str:
    try:
        return version("candgen")
    except PackageNotFoundError:
        return "unknown"
