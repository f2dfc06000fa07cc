from collections.abc import Iterator
from contextlib import ExitStack
from typing import Protocol

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.chromium import DESKTOP, TIMEOUT_MILLISECONDS, ChromiumNotInstalled, OpenPage, chromium, open_page

expect.set_options(timeout=TIMEOUT_MILLISECONDS)


class PageOpener(Protocol):
    """Opens a page of its own."""

    def __call__(self, *, size: tuple[int, int] = DESKTOP, dark: bool = False, scripted: bool = True) -> OpenPage: ...


# Of a module, not of a session: Playwright keeps an event loop running, and other tests have their own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    try:
        with chromium() as opened:
            yield opened
    except ChromiumNotInstalled as missing:
        pytest.skip(str(missing))


@pytest.fixture
def page_opener(browser: Browser) -> Iterator[PageOpener]:
    """Pages that must end without an error, a forbidden thing, or a request to another host."""
    opened_pages: list[tuple[OpenPage, bool]] = []
    with ExitStack() as stack:

        def open_one(*, size: tuple[int, int] = DESKTOP, dark: bool = False, scripted: bool = True) -> OpenPage:
            opened = stack.enter_context(open_page(browser, size=size, dark=dark, scripted=scripted))
            opened_pages.append((opened, scripted))
            return opened

        yield open_one
        for opened, scripted in opened_pages:
            assert opened.errors == []
            assert opened.hosts <= {"127.0.0.1"}
            assert not scripted or opened.get_csp_violations() == []
