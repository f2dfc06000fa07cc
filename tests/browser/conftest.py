from collections.abc import Iterator
from contextlib import ExitStack
from typing import Protocol

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.chromium import DESKTOP, PATIENCE_MILLISECONDS, NotInstalledError, Visit, chromium, visit

expect.set_options(timeout=PATIENCE_MILLISECONDS)


class Opens(Protocol):
    """Opens a page of its own."""

    def __call__(self, *, size: tuple[int, int] = DESKTOP, dark: bool = False, scripted: bool = True) -> Visit: ...


# Of a module, not of a session: Playwright keeps an event loop running, and other tests have their own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    try:
        with chromium() as opened:
            yield opened
    except NotInstalledError as missing:
        pytest.skip(str(missing))


@pytest.fixture
def opens(browser: Browser) -> Iterator[Opens]:
    """Pages that must end without an error, a forbidden thing, or a request to anybody else."""
    visits: list[tuple[Visit, bool]] = []
    with ExitStack() as stack:

        def open_one(*, size: tuple[int, int] = DESKTOP, dark: bool = False, scripted: bool = True) -> Visit:
            opened = stack.enter_context(visit(browser, size=size, dark=dark, scripted=scripted))
            visits.append((opened, scripted))
            return opened

        yield open_one
        for opened, scripted in visits:
            assert opened.errors == []
            assert opened.hosts <= {"127.0.0.1"}
            assert not scripted or opened.violations() == []
