"""The web application: what it is made of, and its life."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from importlib.metadata import PackageNotFoundError, version

from fastapi import FastAPI

from service import admin, docs, history_routes, playground, problems, routes, settings
from service.hot import HotApp
from service.middleware import EdgeMiddleware
from service.other_releases import OtherReleases
from service.serving import Holder
from service.settings import Settings
from service.swap import Swapper

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
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    return create_app(settings.read())


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    holder: Holder = app.state.holder
    app.state.swapper = Swapper(holder)
    work = [app.state.swapper.run()] + ([holder.events.run()] if holder.events else [])
    tasks = [asyncio.create_task(one) for one in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if holder.events:
            await holder.events.close()


def _version() -> str:
    try:
        return version("candgen")
    except PackageNotFoundError:
        return "unknown"
