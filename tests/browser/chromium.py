"""Debian's Chromium, driven by Playwright; nothing is downloaded."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import BrowserContext, Playwright, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP = (1280, 900)
PHONE = (390, 844)
PATIENCE_MILLISECONDS = 20_000


@contextmanager
def browser(*, size: tuple[int, int] = DESKTOP, dark: bool = False, scripted: bool = True) -> Iterator[BrowserContext]:
    """A fresh browser with a profile of its own."""
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as profile:
        context = _launched(playwright, profile, size, dark=dark, scripted=scripted)
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        try:
            yield context
        finally:
            context.close()


def _launched(
    playwright: Playwright, profile: str, size: tuple[int, int], *, dark: bool, scripted: bool
) -> BrowserContext:
    width, height = size
    return playwright.chromium.launch_persistent_context(
        profile,
        executable_path=CHROMIUM,
        headless=True,
        args=FLAGS,
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        java_script_enabled=scripted,
    )
