"""The pages under axe-core's rules (WCAG 2 A and AA, best practices), light and dark, wide and narrow."""

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import Visit
from tests.servers import Service
from tests.stores import user_id

USER = str(user_id(0))


LOOKS = [
    ("light", 1280),
    ("dark", 400),
    pytest.param(("dark", 1280), marks=pytest.mark.slow),
    pytest.param(("light", 400), marks=pytest.mark.slow),
]


@pytest.fixture(params=LOOKS, ids=str)
def sighted(request: pytest.FixtureRequest, browser, service: Service) -> Iterator[Visit]:
    scheme, width = request.param
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    context.set_default_timeout(20_000)
    yield Visit(context.new_page(), service)
    context.close()


def violations(visit: Visit) -> str:
    """Return axe's report, empty if it has nothing to say."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="install the extra `test`: make install")
    found = axe.Axe().run(visit.page)
    return found.generate_report() if found.violations_count else ""


def fits(visit: Visit) -> bool:
    """Whether nothing but what scrolls by itself is wider than the window."""
    return visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_board_with_two_releases(sighted: Visit) -> None:
    older = sighted.service.store.releases()[0]
    sighted.open_board(f"?user={USER}&compare={older}")
    sighted.page.locator('[data-column="Mix"] .item').first.focus()
    assert violations(sighted) == ""
    assert fits(sighted)


def test_the_release_and_problems(sighted: Visit) -> None:
    sighted.open("?user=abc")
    sighted.page.get_by_role("alert").wait_for()
    assert violations(sighted) == ""
    sighted.page.get_by_role("tab", name="Release").click()
    sighted.page.locator("#view-release table").first.wait_for()
    for details in sighted.page.locator("#view-release summary").all():
        details.click()
    assert violations(sighted) == ""
    assert fits(sighted)


def test_all_can_be_reached_by_keyboard(visit: Visit) -> None:
    visit.open_board(f"?user={USER}")
    visit.page.locator("body").focus()
    reached: set[str] = set()
    for _ in range(40):
        visit.page.keyboard.press("Tab")
        reached |= set(visit.page.evaluate("document.activeElement.id || document.activeElement.className").split())
    assert {"tab-try", "user", "another", "n", "strategy", "seen", "compare", "hour", "show", "item"} <= reached


def test_the_documentation_of_the_api(sighted: Visit) -> None:
    sighted.page.goto(f"{sighted.service.address}/docs")
    sighted.page.locator("details.operation").first.wait_for()
    for summary in sighted.page.locator("details.operation > summary").all():
        summary.click()
    assert violations(sighted) == ""
    assert fits(sighted)
