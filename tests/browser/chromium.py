"""Debian's Chromium, driven by Playwright; nothing is downloaded, and nothing but loopback is reached."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.base import AXE_FILE_PATH
from playwright.sync_api import Browser, Page, sync_playwright

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
TIMEOUT_MILLISECONDS = 60_000
_RECORD_VIOLATIONS = """
    addEventListener("securitypolicyviolation", (event) => {
        (window.violations ??= []).push(`${event.effectiveDirective} ${event.blockedURI}`);
    });
"""


class ChromiumNotInstalled(Exception):
    """There is no Chromium on this machine; the message says how to get it."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser with a profile of its own, which is gone afterwards.

    Raises:
        NotInstalledError: there is none.
    """
    if not CHROMIUM.exists():
        raise ChromiumNotInstalled(f"no Chromium at {CHROMIUM} (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class OpenPage:
    """A page that is open, and all that a good page never does."""

    page: Page
    errors: list[str] = field(default_factory=list)
    """What the console called an error, and what was thrown."""
    hosts: set[str] = field(default_factory=set)
    """Every host that was asked for anything."""

    def open_url(self, url: str) -> Page:
        self.page.goto(url)
        return self.page

    def get_csp_violations(self) -> list[str]:
        """What the Content-Security-Policy forbade on this page."""
        found: list[str] = self.page.evaluate("window.violations ?? []")
        return found

    def run_axe(self) -> list[str]:
        """What axe-core finds wrong, each as a line: the rule, and the elements."""
        # By the debugger, as a script of the page it would be forbidden.
        self.page.evaluate(AXE_FILE_PATH.read_text(encoding="utf-8"))
        found: dict[str, Any] = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{rule['id']}: {rule['help']}: {[node['html'][:120] for node in rule['nodes'][:3]]}"
            for rule in found["violations"]
        ]

    def has_horizontal_scroll(self) -> bool:
        wide: bool = self.page.evaluate("document.documentElement.scrollWidth > innerWidth")
        return wide


@contextmanager
def open_page(
    browser: Browser, *, size: tuple[int, int] = DESKTOP, dark: bool = False, scripted: bool = True
) -> Iterator[OpenPage]:
    """One page in a context of its own."""
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        java_script_enabled=scripted,
        permissions=["clipboard-read", "clipboard-write"],
    )
    context.set_default_timeout(TIMEOUT_MILLISECONDS)
    context.add_init_script(_RECORD_VIOLATIONS)
    page = context.new_page()
    opened = OpenPage(page)
    page.on("console", lambda message: opened.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: opened.errors.append(str(error)))
    page.on("request", lambda request: opened.hosts.add(urlsplit(request.url).hostname or ""))
    try:
        yield opened
    finally:
        context.close()
