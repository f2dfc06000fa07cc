"""How long a page takes a reader, from the click to the picture."""

from playwright.sync_api import Page


def measure_load_seconds(page: Page) -> float:
    """From the start of the navigation to the first picture of the whole page, the server's share included."""
    page.wait_for_load_state("load")
    milliseconds: float = page.evaluate(
        """() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
            const [navigation] = performance.getEntriesByType("navigation");
            const [paint] = performance.getEntriesByName("first-contentful-paint");
            done(Math.max(navigation.loadEventEnd, paint?.startTime ?? 0));
        })))"""
    )
    return milliseconds / 1000
