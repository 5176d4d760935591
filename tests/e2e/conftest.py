"""A real server on a tiny store, and Debian's Chromium driven by Playwright."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mixes import mix_store
from tests.servers import Service, serving

SCREENSHOTS = Path("reports/screenshots")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
HOW_TO_INSTALL = "no Chromium found; install it with `apt install chromium`"


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
