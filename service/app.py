"""The web application: what it is made of, and its life."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from importlib.metadata import PackageNotFoundError, version

from fastapi import FastAPI

from service import docs, problems, routes, settings
from service.hot import HotApp
from service.middleware import EdgeMiddleware
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
    app.state.routes = [*routes.router.routes, *docs.router.routes]
    app.include_router(routes.router)
    app.include_router(docs.router)
    app.add_middleware(EdgeMiddleware)
    problems.install(app)
    return app


def from_environment() -> FastAPI:
    """Return the app of a worker process: settings from the environment, log to standard error."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    return create_app(settings.read())


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    loading = asyncio.create_task(app.state.holder.load_until_ready())
    try:
        yield
    finally:
        loading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await loading


def _version() -> str:
    try:
        return version("candgen")
    except PackageNotFoundError:
        return "unknown"
