"""The web application: what it is made of, and its life."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import FastAPI

from service import docs, logs, problems, routes, settings, vitals
from service.drain import Drain
from service.gate import Gate
from service.hot import HotApp
from service.metrics_share import Share, shared_folder
from service.middleware import EdgeMiddleware
from service.protocol import DRAIN, GATE
from service.serving import Holder
from service.settings import Settings

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
    app.state.routes = [*routes.router.routes, *docs.router.routes]
    app.include_router(routes.router)
    app.include_router(docs.router)
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
    app.state.share.open()
    app.state.drain.install()
    loading = asyncio.create_task(app.state.holder.load_until_ready())
    reporting = asyncio.create_task(vitals.keep_reporting(app.state.share))
    try:
        yield {GATE: app.state.gate, DRAIN: app.state.drain}
    finally:
        for task in (loading, reporting):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        app.state.share.close()


def _version() -> str:
    try:
        return version("candgen")
    except PackageNotFoundError:
        return "unknown"
