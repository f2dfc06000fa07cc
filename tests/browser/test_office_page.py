"""One office in full, in a real browser, with JavaScript and without."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from oddaemon.core.model import Condition
from oddaemon.web.pages.formatting import format_dollars
from tests.browser.conftest import PageOpener
from tests.browser.sample_fleet import SampleFleet, make_fleet, make_office_view
from tests.browser.site import PageSite, serve_site

BLOCKED, NEVER_PUBLISHED, LONG_NAME = 6, 1, 4


@pytest.fixture
def fleet() -> SampleFleet:
    return make_fleet(12)


@pytest.fixture
def url(fleet: SampleFleet) -> Iterator[str]:
    with serve_site(PageSite(fleet)) as address:
        yield f"{address}/offices"


def read_facts(page: Page) -> dict[str, str]:
    pairs = page.locator(".facts > div").evaluate_all(
        "all => all.map(each => [each.children[0].textContent, each.children[1].textContent])"
    )
    return {title: " ".join(text.split()) for title, text in pairs}


def test_it_says_how_it_stands_why_who_must_act_what_to_do_and_what_is_next(
    page_opener: PageOpener, fleet: SampleFleet, url: str
) -> None:
    office = fleet.lines[BLOCKED]
    page = page_opener(scripted=False).open_url(f"{url}/{office.id}")
    expect(page.get_by_role("heading", level=1)).to_have_text(office.name)
    expect(page.locator(".verdict")).to_contain_text("blocked")
    expect(page.locator(".reason")).to_have_text(office.status.reason)
    shown_facts = read_facts(page)
    assert shown_facts["Who must act"] == "The office"
    assert shown_facts["What to do"] == office.status.advice
    assert shown_facts["What happens next"] == "Asks whether aging has completed at Tue 3 Mar, 05:47"
    assert shown_facts["Deadline"] == "Tue 3 Mar, 07:00"
    assert shown_facts["Forecast"] == "will miss Will miss 07:00 unless the office acts."
    assert "4,053 guarantors" in shown_facts["Last snapshot"]
    expect(page.locator("#message")).to_have_text(office.status.letter)
    expect(page.locator("footer")).to_contain_text("America/Denver")


def test_the_button_that_copies_the_message_needs_javascript(
    page_opener: PageOpener, fleet: SampleFleet, url: str
) -> None:
    office = fleet.lines[BLOCKED]
    assert page_opener(scripted=False).open_url(f"{url}/{office.id}").get_by_role("button").count() == 0
    page = page_opener().open_url(f"{url}/{office.id}")
    page.get_by_role("button", name="Copy").click()
    expect(page.locator("#announcer")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == office.status.letter


def test_the_last_thirty_nights_are_shown_as_shapes_and_in_a_table(
    page_opener: PageOpener, fleet: SampleFleet, url: str
) -> None:
    office = fleet.lines[BLOCKED]
    page = page_opener(scripted=False).open_url(f"{url}/{office.id}")
    nights = make_office_view(office, fleet.now).nights
    shapes = page.locator(".nights use").evaluate_all("all => all.map(each => each.getAttribute('href'))")
    assert shapes == [f"#i-{night.outcome}" for night in nights]
    assert len(set(shapes)) >= 3
    page.locator("#nights summary").click()
    expect(page.locator("#nights tbody tr")).to_have_count(30)
    expect(page.locator("#nights tbody tr").first).to_contain_text("Mon 2 Mar")
    page.locator(".nights li").first.hover()
    expect(page.locator(".nights .tip").first).to_be_visible()


def test_the_buckets_are_a_chart_and_every_number_of_it_is_in_a_table(
    page_opener: PageOpener, fleet: SampleFleet, url: str
) -> None:
    office = fleet.lines[BLOCKED]
    page = page_opener(scripted=False).open_url(f"{url}/{office.id}")
    nights = [night for night in make_office_view(office, fleet.now).nights if night.last]
    assert page.locator("#buckets svg g").count() == len(nights)
    assert page.locator("#buckets svg g").first.locator("rect").count() == 4
    page.locator("#buckets summary").click()
    last = nights[-1].last
    assert last is not None
    numbers = page.locator("#buckets tbody tr").first.locator("td").all_inner_texts()
    assert numbers == [format_dollars(cents) for cents in last.totals[2:6]] + [
        format_dollars(last.totals.ins_est),
        format_dollars(last.totals.bal_total),
    ]
    assert numbers[0] in page.locator(".legend").inner_text()
    tallest = page.locator("#buckets svg").bounding_box()
    assert tallest is not None
    for bar in page.locator("#buckets svg rect").all()[:4]:
        box = bar.bounding_box()
        assert box is not None
        assert tallest["y"] <= box["y"] <= tallest["y"] + tallest["height"]


def test_the_last_pulls_show_requests_rows_seconds_and_verification(
    page_opener: PageOpener, fleet: SampleFleet, url: str
) -> None:
    office = fleet.lines[BLOCKED]
    page = page_opener(scripted=False).open_url(f"{url}/{office.id}")
    pull = make_office_view(office, fleet.now).publications[0]
    first = page.locator("#pulls tbody tr").first.locator("th, td").all_inner_texts()
    assert first[2] == f"{pull.totals.guarantors:,}"
    assert first[6] == str(pull.requests)
    assert first[7] == f"{pull.pull_seconds:.1f} s"
    assert first[9].strip() == "to the cent"
    expect(page.locator("#pulls tbody tr")).to_have_count(10)
    expect(page.locator("#journal li")).to_have_count(3)


def test_an_office_that_never_published_has_a_page_that_says_so(
    page_opener: PageOpener, fleet: SampleFleet, url: str
) -> None:
    page = page_opener().open_url(f"{url}/{fleet.lines[NEVER_PUBLISHED].id}")
    for part, sentence in {
        "#status": "None yet",
        "#buckets": "No snapshot was published",
        "#pulls": "No pull has been published yet.",
        "#journal": "No entries yet.",
    }.items():
        expect(page.locator(part)).to_contain_text(sentence)


def test_an_office_that_is_not_there_is_a_page_that_says_so(page_opener: PageOpener, url: str) -> None:
    opened = page_opener()
    page = opened.open_url(f"{url}/absent")
    expect(page.get_by_role("heading", level=1)).to_have_text("No such office")
    opened.errors.clear()  # the browser calls a 404 an error
    page.get_by_role("link", name="All offices").click()
    expect(page.locator("#grid > li")).to_have_count(12)


def test_it_moves_with_the_office_and_keeps_what_was_opened(
    page_opener: PageOpener, fleet: SampleFleet, url: str
) -> None:
    office = fleet.lines[BLOCKED]
    page = page_opener().open_url(f"{url}/{office.id}")
    expect(page.locator("#live")).to_have_text("Live")
    page.locator("#nights summary").click()
    page.evaluate("window.same = true")
    fleet.set_condition(office.id, Condition.PULLING, "Reading the balances at last.", owner=None, letter="")
    expect(page.locator(".reason")).to_have_text("Reading the balances at last.")
    expect(page.locator(".verdict")).to_have_class("verdict t-pulling")
    expect(page.locator("#announcer")).to_contain_text("pulling")
    expect(page).to_have_title(f"{office.name}: pulling · oddaemon")
    expect(page.locator("#message")).to_have_count(0)
    expect(page.locator("#nights table")).to_be_visible()
    assert page.evaluate("window.same")


def test_an_office_that_leaves_the_configuration_leaves_its_page(
    page_opener: PageOpener, fleet: SampleFleet, url: str
) -> None:
    opened = page_opener()
    page = opened.open_url(f"{url}/{fleet.lines[BLOCKED].id}")
    expect(page.locator("#live")).to_have_text("Live")
    fleet.lines = fleet.lines[:BLOCKED]
    fleet.generation += 1
    expect(page.get_by_role("heading", level=1)).to_have_text("No such office")
    opened.errors.clear()  # the browser calls a 404 an error


def test_a_name_that_is_markup_is_a_name(page_opener: PageOpener, fleet: SampleFleet, url: str) -> None:
    hostile = '<img src=x onerror=alert(1)> & "Sons" </title><script>alert(2)</script>'
    fleet.lines[0] = replace(fleet.lines[0], name=hostile, labels=(("<b>", "'\"&"),))
    office = page_opener().open_url(f"{url}/{fleet.lines[0].id}")
    expect(office.get_by_role("heading", level=1)).to_have_text(hostile)
    page = page_opener().open_url(url.removesuffix("offices"))
    expect(page.locator(f"#row-{fleet.lines[0].id} th a")).to_have_text(hostile)
    expect(page.locator("#live")).to_have_text("Live")
    page.get_by_label("Label", exact=True).select_option("<b>='\"&")
    expect(page.locator("#grid > li:not([hidden])")).to_have_count(1)
