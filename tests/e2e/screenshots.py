"""Makes the pictures of the documentation from a running service: `python -m tests.e2e.screenshots ADDRESS`."""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

IMAGES = Path(__file__).parent.parent.parent / "docs" / "images"
# name → address of the page, colour scheme, size, what is clicked
PICTURES = {
    "playground": ("?user=1&n=10&day=last+day+of+the+data&hour=18", "light", (1360, 900), None),
    "playground-phone": ("?user=1&n=10", "dark", (400, 800), None),
    "release": ("", "light", (1000, 760), "Release"),
}


def main(address: str) -> None:
    """Take every picture."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, (query, scheme, (width, height), tab) in PICTURES.items():
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
            page.goto(f"{address}/{query}")
            if tab:
                page.get_by_role("tab", name=tab).click()
                page.locator("#view-release table").first.wait_for()
            else:
                page.locator('[data-column="Mix"] .item').nth(2).focus()
            if width < 600:
                page.evaluate("document.querySelector('#status').scrollIntoView()")
            page.screenshot(path=IMAGES / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1])
