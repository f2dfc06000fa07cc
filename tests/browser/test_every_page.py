"""What holds for both pages, in every light and width: accessible, strict, narrow, and quick."""

from collections.abc import Iterator
from itertools import product

import pytest
from playwright.sync_api import expect

from oddaemon.core.model import Condition
from tests.browser.chromium import DESKTOP, PHONE
from tests.browser.conftest import PageOpener
from tests.browser.load_time import measure_load_seconds
from tests.browser.sample_fleet import SampleFleet, make_fleet
from tests.browser.site import PageSite, serve_site

NARROW = (320, 640)
VARIANTS = list(product((DESKTOP, PHONE), (False, True)))


@pytest.fixture(scope="module")
def fleet() -> SampleFleet:
    return make_fleet(60)


@pytest.fixture(scope="module")
def url(fleet: SampleFleet) -> Iterator[str]:
    with serve_site(PageSite(fleet)) as address:
        yield address


def list_paths(fleet: SampleFleet) -> list[str]:
    """The fleet, and an office of each condition."""
    return ["/", *(f"/offices/{line.id}" for line in fleet.lines[: len(Condition)])]


@pytest.mark.parametrize(("size", "dark"), VARIANTS, ids=str)
def test_axe_finds_nothing(
    page_opener: PageOpener, fleet: SampleFleet, url: str, size: tuple[int, int], dark: bool
) -> None:
    opened = page_opener(size=size, dark=dark)
    for path in list_paths(fleet):
        page = opened.open_url(url + path)
        expect(page.locator("#live")).to_have_text("Live")
        for summary in page.locator("summary").all():
            summary.click()
        assert opened.run_axe() == [], path


def test_axe_finds_nothing_in_an_empty_search_or_a_failure(page_opener: PageOpener) -> None:
    opened, troubled = page_opener(), make_fleet(0)
    troubled.failure = "the disk is full"
    with serve_site(PageSite(troubled)) as url:
        for path in ("/", "/?q=absent"):
            opened.open_url(url + path)
            assert opened.run_axe() == []


@pytest.mark.parametrize(("size", "dark"), [(NARROW, True), (DESKTOP, False)], ids=str)
def test_the_runbook_is_accessible_and_needs_no_script(
    page_opener: PageOpener, url: str, size: tuple[int, int], dark: bool
) -> None:
    opened = page_opener(size=size, dark=dark)
    page = opened.open_url(f"{url}/runbook#oddaemondown")
    expect(page.locator("#oddaemondown")).to_be_in_viewport()
    assert opened.run_axe() == []
    assert not opened.has_horizontal_scroll()
    expect(page_opener(scripted=False).open_url(f"{url}/runbook").locator("#oddaemondown")).to_have_text("OddaemonDown")


def test_axe_would_find_something(page_opener: PageOpener, url: str) -> None:
    opened = page_opener()
    opened.open_url(url).evaluate("document.querySelector('h1').outerHTML = '<img src=\"/static/icon.svg\">'")
    assert any(line.startswith("image-alt") for line in opened.run_axe())


@pytest.mark.parametrize("size", [NARROW, PHONE, DESKTOP], ids=lambda each: str(each[0]))
def test_nothing_is_wider_than_the_screen(
    page_opener: PageOpener, fleet: SampleFleet, url: str, size: tuple[int, int]
) -> None:
    opened = page_opener(size=size)
    for path in list_paths(fleet):
        opened.open_url(url + path)
        assert not opened.has_horizontal_scroll(), path


def test_a_script_that_got_into_the_page_would_not_run(page_opener: PageOpener, url: str) -> None:
    opened = page_opener()
    page = opened.open_url(url)
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.ran = 1\">')")
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), {textContent: 'ran = 1'}))")
    page.evaluate("document.body.setAttribute('style', 'color: red')")
    assert page.evaluate("window.ran ?? 0") == 0
    assert len(opened.get_csp_violations()) >= 2
    page.evaluate("window.violations = []")
    opened.errors.clear()


def test_five_hundred_offices_are_there_within_a_second(page_opener: PageOpener) -> None:
    with serve_site(PageSite(make_fleet(500))) as url:
        opened = page_opener()
        # The machine may be busy with other tests: the best of some is what the page takes.
        taken = (measure_load_seconds(opened.open_url(url)) for _ in range(15))
        assert any(seconds < 1.0 for seconds in taken)
        expect(opened.page.locator("#grid > li")).to_have_count(500)
