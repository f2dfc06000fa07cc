"""Takes the pictures in docs/screenshots: `make screenshots`. The sampled fleet is the same every time.

Run it after a change of the pages, and look at what it took.
"""

from itertools import product
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.chromium import DESKTOP, PHONE, chromium, visit
from tests.browser.palette import smaller
from tests.browser.sample import sample_fleet
from tests.browser.site import Site, shown

DIRECTORY = Path(__file__).parents[2] / "docs" / "screenshots"
OFFICES = 500
BLOCKED = 6
HEIGHT_MAX = {DESKTOP: 1900, PHONE: 2600}
"""Pixels; the rest of a page is more of the same."""
BYTES_MAX = 150_000


def main() -> None:
    """Take them all."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    fleet = sample_fleet(OFFICES)
    pages = {"fleet": "/", "office": f"/offices/{fleet.lines[BLOCKED].id}"}
    looks = product((("desktop", DESKTOP), ("phone", PHONE)), (False, True))
    with chromium() as browser, shown(Site(fleet)) as url:
        for (width, size), dark in looks:
            with visit(browser, size=size, dark=dark) as visited:
                for name, path in pages.items():
                    picture = smaller(_taken(visited.go(url + path), size))
                    assert len(picture) <= BYTES_MAX, f"{name} is {len(picture)} bytes"
                    file = DIRECTORY / f"{name}-{width}-{'dark' if dark else 'light'}.png"
                    file.write_bytes(picture)
                    print(f"{file} {len(picture):,} bytes")  # noqa: T201 - a script


def _taken(page: Page, size: tuple[int, int]) -> bytes:
    expect(page.locator("#live")).to_have_text("Live")
    height = page.evaluate("document.documentElement.scrollHeight")
    clip = {"x": 0, "y": 0, "width": size[0], "height": min(height, HEIGHT_MAX[size])}
    return page.screenshot(full_page=True, clip=clip)  # type: ignore[arg-type]  # a rectangle, as asked for


if __name__ == "__main__":
    main()
