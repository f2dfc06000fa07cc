"""The fleet at a glance, in a real browser, with JavaScript and without."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from oddaemon.core.model import Condition, Owner
from tests.browser.conftest import PageOpener
from tests.browser.sample_fleet import SampleFleet, make_fleet
from tests.browser.site import PageSite, serve_site

OFFICES = 60


@pytest.fixture
def fleet() -> SampleFleet:
    return make_fleet(OFFICES)


@pytest.fixture
def url(fleet: SampleFleet) -> Iterator[str]:
    with serve_site(PageSite(fleet)) as address:
        yield address


def list_visible_ids(page: Page, within: str) -> list[str]:
    """The ids of the offices that can be seen."""
    found = page.locator(f"{within} > :not([hidden])").evaluate_all("all => all.map(each => each.id)")
    return [each.partition("-")[2] for each in found]


def wait_until_live(page: Page) -> Page:
    expect(page.locator("#live")).to_have_text("Live")
    return page


def test_each_condition_has_a_shape_a_word_and_a_count(page_opener: PageOpener, fleet: SampleFleet, url: str) -> None:
    page = page_opener(scripted=False).open_url(url)
    shapes = set()
    for condition, line in zip(Condition, fleet.lines, strict=False):
        cell = page.locator(f"#cell-{line.id} a")
        assert str(condition) in (cell.get_attribute("aria-label") or "")
        assert (cell.get_attribute("aria-label") or "").startswith(line.name)
        icon = cell.locator("use").get_attribute("href")
        shapes.add(page.locator(f"symbol{icon}").inner_html())
        counted = sum(each.status.condition is condition for each in fleet.lines)
        expect(page.locator(f"#count-{condition}")).to_have_text(str(counted))
    assert len(shapes) == len(Condition)


def test_every_office_has_a_cell_and_the_worst_are_listed_first(
    page_opener: PageOpener, fleet: SampleFleet, url: str
) -> None:
    page = page_opener(scripted=False).open_url(url)
    assert sorted(list_visible_ids(page, "#grid")) == sorted(line.id for line in fleet.lines)
    rows = list_visible_ids(page, "#rows")
    assert len(rows) == 50
    conditions = page.locator("#rows > tr").evaluate_all("all => all.map(each => each.dataset.condition)")
    assert conditions[:3] == ["suspect", "blocked", "blocked"]
    assert conditions.index("late") < conditions.index("unreachable") < conditions.index("fresh")
    expect(page.locator("h1")).to_have_text("46 of 59 offices are fresh")


def test_all_rows_are_there_for_who_asks_for_them(page_opener: PageOpener, url: str) -> None:
    for scripted in (True, False):
        page = page_opener(scripted=scripted).open_url(url)
        page.get_by_role("link", name="Show all 60").click()
        expect(page.locator("#rows > tr:not([hidden])")).to_have_count(OFFICES)
        expect(page.locator("#more-rows")).to_be_hidden()
        assert "rows=all" in page.url


def test_a_row_says_why_who_must_act_and_how_the_office_stands_to_its_hour(
    page_opener: PageOpener, fleet: SampleFleet, url: str
) -> None:
    page = page_opener(scripted=False).open_url(url)
    blocked = fleet.lines[6]
    row = page.locator(f"#row-{blocked.id}")
    expect(row).to_contain_text(blocked.name)
    expect(row).to_contain_text("the customer key is disabled")
    expect(row).to_contain_text("The office must act.")
    expect(row).to_contain_text("4 h 15 min early")
    expect(row).to_contain_text("Will miss 07:00 unless the office acts.")


def test_offices_that_will_miss_are_listed_with_reason_and_link(page_opener: PageOpener, url: str) -> None:
    page = page_opener(scripted=False).open_url(url)
    first = page.locator("#at-risk li").first
    expect(first.locator(".badge")).to_have_text("will miss")
    first.get_by_role("link").click()
    expect(page.locator(".facts").first).to_contain_text("will miss")


SEARCHES = (
    "",
    "?q=dental",
    "?q=DENTAL+reno",
    "?q=group%3Dcoast",
    "?q=absent-name",
    "?condition=late&condition=blocked",
    "?label=group%3Dnorth",
    "?label=group%3Dnorth&q=portland",
    "?outlook=will_miss&outlook=at_risk",
    "?condition=fresh&label=tier%3Dgold&q=a+e",
    "?q=%22%3E%3Cscript%3Ealert%281%29%3C%2Fscript%3E",
)


def test_a_search_finds_the_same_with_javascript_and_without(page_opener: PageOpener, url: str) -> None:
    plain, scripted = page_opener(scripted=False), page_opener()
    for search in SEARCHES:
        bare, searched = plain.open_url(f"{url}/{search}"), wait_until_live(scripted.open_url(f"{url}/{search}"))
        assert list_visible_ids(bare, "#grid") == list_visible_ids(searched, "#grid"), search
        assert list_visible_ids(bare, "#rows") == list_visible_ids(searched, "#rows"), search
        assert bare.locator("#found").inner_text() == searched.locator("#found").inner_text(), search
        assert bare.locator("#nothing").is_visible() == searched.locator("#nothing").is_visible(), search


def test_without_javascript_the_form_is_sent_and_remembers_what_was_asked(page_opener: PageOpener, url: str) -> None:
    page = page_opener(scripted=False).open_url(url)
    page.get_by_label("Search", exact=True).fill("reno")
    page.locator("label.chip", has_text="blocked").click()
    page.get_by_role("button", name="Show").click()
    assert "q=reno" in page.url
    assert "condition=blocked" in page.url
    expect(page.get_by_label("Search", exact=True)).to_have_value("reno")
    expect(page.locator("input[value=blocked]")).to_be_checked()
    expect(page.locator("#grid > li:not([hidden])")).to_have_count(1)
    page.get_by_role("link", name="Show all").first.click()
    expect(page.locator("#grid > li:not([hidden])")).to_have_count(OFFICES)


def test_with_javascript_typing_filters_at_once_and_the_address_follows(page_opener: PageOpener, url: str) -> None:
    page = wait_until_live(page_opener().open_url(url))
    page.evaluate("window.same = true")
    page.get_by_label("Search", exact=True).press_sequentially("reno")
    expect(page.locator("#found")).to_contain_text("of 60 offices")
    page.locator("label.chip", has_text="blocked").click()
    expect(page.locator("#grid > li:not([hidden])")).to_have_count(1)
    assert page.url.endswith("/?q=reno&condition=blocked")
    expect(page.locator("#announcer")).to_have_text("1 of 60 offices shown")
    assert page.evaluate("window.same")
    expect(page.get_by_role("button", name="Show")).to_be_hidden()


def test_what_happens_to_an_office_is_seen_without_a_reload(
    page_opener: PageOpener, fleet: SampleFleet, url: str
) -> None:
    page = wait_until_live(page_opener().open_url(url))
    page.evaluate("window.same = true")
    office = next(line.id for line in fleet.lines if line.status.condition is Condition.FRESH)
    fleet.set_condition(office, Condition.BLOCKED, "Its key was disabled just now.", owner=Owner.OFFICE)
    expect(page.locator(f"#cell-{office} a")).to_have_class("cell t-blocked o-will_miss")
    expect(page.locator(f"#row-{office}")).to_contain_text("Its key was disabled just now.")
    expect(page.locator("#count-blocked")).to_have_text("3")
    expect(page.locator("h1")).to_have_text("45 of 59 offices are fresh")
    expect(page).to_have_title("45 of 59 fresh · oddaemon")
    expect(page.locator("#announcer")).to_contain_text("is blocked")
    rows = list_visible_ids(page, "#rows")
    assert office in rows[:4]
    assert page.evaluate("window.same")


def test_an_office_that_changes_stays_within_the_search(page_opener: PageOpener, fleet: SampleFleet, url: str) -> None:
    page = wait_until_live(page_opener().open_url(f"{url}/?condition=blocked"))
    office = next(line.id for line in fleet.lines if line.status.condition is Condition.FRESH)
    expect(page.locator(f"#cell-{office}")).to_be_hidden()
    fleet.set_condition(office, Condition.BLOCKED, "Its key was disabled just now.", owner=Owner.OFFICE)
    expect(page.locator(f"#cell-{office}")).to_be_visible()
    expect(page.locator("#found")).to_have_text("3 of 60 offices")


def test_a_reload_of_the_daemon_shows_itself_and_its_new_offices(
    page_opener: PageOpener, fleet: SampleFleet, url: str
) -> None:
    page = wait_until_live(page_opener().open_url(url))
    page.get_by_label("Search", exact=True).fill("dent")
    more = make_fleet(OFFICES + 1).lines
    fleet.configured_at = fleet.now + timedelta(minutes=1)
    fleet.generation, fleet.lines = 2, more
    expect(page.locator(f"#cell-{more[-1].id}")).to_be_visible()
    expect(page.locator("#found")).to_contain_text("of 61 offices")
    expect(page.locator("#announcer")).to_contain_text("The configuration was reloaded")
    expect(page.locator("footer")).to_contain_text("2026-03-03 12:41:00 UTC")
    expect(page.get_by_label("Search", exact=True)).to_have_value("dent")


def test_a_lost_daemon_is_shown_and_reconnected(page_opener: PageOpener, fleet: SampleFleet) -> None:
    opened = page_opener()
    with serve_site(PageSite(fleet)) as url:
        page = wait_until_live(opened.open_url(url))
    expect(page.locator("#live")).to_have_text("Not live: the daemon does not respond")
    opened.errors.clear()  # that a stream was refused is the point
    fleet.set_condition(fleet.lines[0].id, Condition.LATE, "It became late in the background.")
    with serve_site(PageSite(fleet), port=int(url.rpartition(":")[2])):
        wait_until_live(page)
        expect(page.locator(f"#row-{fleet.lines[0].id}")).to_contain_text("It became late in the background.")
        opened.errors.clear()


def test_why_the_daemon_is_not_at_work_is_at_the_top_of_the_page(
    page_opener: PageOpener, fleet: SampleFleet, url: str
) -> None:
    page = wait_until_live(page_opener().open_url(url))
    expect(page.locator("#not-ready")).to_be_empty()
    fleet.failure = "the disk is full"
    expect(page.locator("#not-ready")).to_have_text("The daemon is not ready: the disk is full.")


def test_the_keyboard_reaches_everything(page_opener: PageOpener, url: str) -> None:
    page = wait_until_live(page_opener().open_url(url))
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.get_by_label("Search", exact=True).focus()
    chips = page.locator(".chip input")
    chips.first.focus()
    page.keyboard.press("Space")
    expect(chips.first).to_be_checked()
    page.keyboard.press("Space")
    page.locator("#grid a").first.focus()
    expect(page.locator("#grid .tip").first).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.locator("#grid a").nth(1)).to_be_focused()
    expect(page.locator("#grid .tip").first).to_be_hidden()
    page.keyboard.press("Enter")
    page.wait_for_url("**/offices/*")


def test_the_keyboard_need_not_pass_every_office_to_reach_what_follows(page_opener: PageOpener, url: str) -> None:
    page = wait_until_live(page_opener().open_url(url))
    page.locator(".chip input").last.focus()
    page.keyboard.press("Tab")
    over = page.get_by_role("link", name="Skip the grid")
    expect(over).to_be_focused()
    expect(over).to_be_in_viewport()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator("#at-risk a").first).to_be_focused()


def test_an_office_can_be_pointed_at(page_opener: PageOpener, fleet: SampleFleet, url: str) -> None:
    page = page_opener(scripted=False).open_url(url)
    page.locator(f"#cell-{fleet.lines[4].id} a").hover()
    tip = page.locator(f"#cell-{fleet.lines[4].id} .tip")
    expect(tip).to_be_visible()
    expect(tip).to_contain_text("The Extraordinarily Long-Named Center")


@pytest.mark.parametrize("offices", [0, 1, 3])
def test_a_small_fleet_is_a_page_as_well(page_opener: PageOpener, offices: int) -> None:
    with serve_site(PageSite(make_fleet(offices))) as url:
        page = wait_until_live(page_opener().open_url(url))
        headline = {0: "No office is configured yet", 1: "The one office is fresh", 3: "1 of 3 offices is fresh"}
        expect(page.locator("h1")).to_have_text(headline[offices])
        assert page.locator("#grid > li").count() == offices


def test_a_hidden_page_keeps_no_connection(page_opener: PageOpener, fleet: SampleFleet) -> None:
    site = PageSite(fleet)
    with serve_site(site) as url:
        page = wait_until_live(page_opener().open_url(url))
        with page.expect_request("**/live?since=*"):
            page.evaluate(
                "Object.defineProperty(document, 'hidden', {configurable: true, get: () => true});"
                "document.dispatchEvent(new Event('visibilitychange'));"
                "Object.defineProperty(document, 'hidden', {get: () => false});"
                "document.dispatchEvent(new Event('visibilitychange'));"
            )
