"""A real server on a tiny store, and Debian's Chromium driven by Playwright."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.store import Store
from tests.mixes import mix_store

SCREENSHOTS = Path("reports/screenshots")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
HOW_TO_INSTALL = "no Chromium found; install it with `apt install chromium`"


@dataclass(frozen=True)
class Service:
    """A running service and its store."""

    address: str
    store: Store
    pid: int


@contextlib.contextmanager
def serving(store: Store) -> Iterator[Service]:
    """Run `python -m service` on a store until it is not needed any more."""
    command = [sys.executable, "-m", "service", "--store", str(store.root), "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stderr is not None
    try:
        address = re.search(r"http://127\.0\.0\.1:\d+", process.stderr.readline())[0]
        _wait_until_ready(address)
        yield Service(address, store, process.pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _wait_until_ready(address: str, seconds: float = 150) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(urllib.error.URLError, OSError):
            urllib.request.urlopen(f"{address}/health/ready", timeout=5).close()
            return
        time.sleep(0.1)
    raise TimeoutError(f"{address} is not ready")


@pytest.fixture(scope="package")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Two releases with uint64 ids above 2^63: the older one without a MixiGen."""
    with serving(mix_store(tmp_path_factory.mktemp("e2e"))) as running:
        yield running


@pytest.fixture(scope="module")
def browser():
    """One browser for the tests of a file; without one, say how to get it.

    While it is there an event loop runs in this thread, so it must not outlive the file: others run their own.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="install the extra `test`: make install")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(HOW_TO_INSTALL)
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield launched
        launched.close()


class Visit:
    """A page with all that its console said."""

    def __init__(self, page, service: Service) -> None:
        self.page, self.service = page, service
        self.said: list[str] = []
        page.on("console", lambda message: message.type in ("error", "warning") and self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))

    def open(self, query: str = "") -> None:
        self.page.goto(f"{self.service.address}/{query}")

    def open_board(self, query: str) -> None:
        self.open(query)
        self.page.wait_for_selector("#board .item")
        self.page.wait_for_selector("#form:not([aria-busy])")

    def status(self) -> str:
        return self.page.locator("#status").text_content()

    def shot(self, name: str) -> None:
        """Keep a picture for whoever looks at the results."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


@pytest.fixture
def visit(browser, service: Service) -> Iterator[Visit]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(20_000)
    yield Visit(context.new_page(), service)
    context.close()
