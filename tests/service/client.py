"""A client for tests: the app in this process, its lifespan running, no sockets."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import httpx

from service.app import create_app
from service.settings import Settings


class Client:
    """Synchronous face of an app on its own event loop."""

    def __init__(self, runner: asyncio.Runner, app: Any) -> None:
        self._runner = runner
        self.app = app
        self._http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://test"
        )

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        return self._runner.run(self._http.request(method, path, **more))

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.request("GET", path, **more)

    def post(self, path: str, **more: Any) -> httpx.Response:
        return self.request("POST", path, **more)

    def let_run(self, seconds: float) -> None:
        """Let the app's own tasks run."""
        self.run(asyncio.sleep(seconds))

    def let_run_until(self, condition: Callable[[], bool]) -> None:
        """Let the app's own tasks run until something is so."""
        for _ in range(400):
            if condition():
                return
            self.let_run(0.05)
        raise TimeoutError

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine on the app's loop."""
        return self._runner.run(work)

    def wait_until_ready(self, seconds: float = 150) -> None:
        for _ in range(int(seconds * 50)):
            if self.get("/health/ready").status_code == 200:
                return
            self.let_run(0.02)
        raise TimeoutError(self.get("/health/ready").text)

    def close(self) -> None:
        self._runner.run(self._http.aclose())


@contextlib.contextmanager
def running(store: Path, *, ready: bool = True, **more: Any) -> Iterator[Client]:
    """Start the app on a store, with more settings; wait until it is ready."""
    app = create_app(Settings(store=store, **more))
    with asyncio.Runner() as runner:
        lifespan = app.router.lifespan_context(app)
        runner.run(lifespan.__aenter__())
        client = Client(runner, app)
        try:
            if ready:
                client.wait_until_ready()
            yield client
        finally:
            client.close()
            runner.run(lifespan.__aexit__(None, None, None))
