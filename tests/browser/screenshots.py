"""Takes the pictures in docs/screenshots: `make screenshots`. The sampled fleet is the same every time.

Run it after a change of the pages, and look at what it took.
"""

from itertools import product
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.chromium import DESKTOP, PHONE, chromium, open_page
from tests.browser.palette import compress_png
from tests.browser.sample_fleet import make_fleet
from tests.browser.site import PageSite, serve_site

DIRECTORY = Path(__file__).parents[2] / "docs" / "screenshots"
OFFICES = 500
BLOCKED = 6
HEIGHT_MAX = {DESKTOP: 1900, PHONE: 2600}
"""Pixels; the rest of a page is more of the same."""
BYTES_MAX = 150_000


def main() -> None:
    """Take them all."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    fleet = make_fleet(OFFICES)
    pages = {"fleet": "/", "office": f"/offices/{fleet.lines[BLOCKED].id}"}
    variants = product((("desktop", DESKTOP), ("phone", PHONE)), (False, True))
    with chromium() as browser, serve_site(PageSite(fleet)) as url:
        for (width, size), dark in variants:
            with open_page(browser, size=size, dark=dark) as visited:
                for name, path in pages.items():
                    image = compress_png(_take_screenshot(visited.open_url(url + path), size))
                    assert len(image) <= BYTES_MAX, f"{name} is {len(image)} bytes"
                    file = DIRECTORY / f"{name}-{width}-{'dark' if dark else 'light'}.png"
                    file.write_bytes(image)
                    print(f"{file} {len(image):,} bytes")  # noqa: T201 - a script


def _take_screenshot(page: Page, size: tuple[int, int]) -> bytes:
    expect(page.locator("#live")).to_have_text("Live")
    height = page.evaluate("document.documentElement.scrollHeight")
    clip = {"x": 0, "y": 0, "width": size[0], "height": min(height, HEIGHT_MAX[size])}
    return page.screenshot(full_page=True, clip=clip)  # type: ignore[arg-type]  # a rectangle, as asked for


if __name__ == "__main__":
    main()
