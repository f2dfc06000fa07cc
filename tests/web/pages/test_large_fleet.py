"""The page of ten thousand offices: the grid whole, the list in pages, and a search of the server."""

import re
from collections.abc import Mapping

import pytest

from oddaemon.core.model import Condition
from oddaemon.web.pages.fleet_feed import render_fleet
from oddaemon.web.pages.rendered import LARGE_MIN, RenderedFleet
from oddaemon.web.pages.renderer import ROWS_MAX, Renderer
from oddaemon.web.pages.search import Search
from oddaemon.web.pages.view_models import FleetPageView, OfficeView
from tests.browser.sample_fleet import NOW, SampleFleet, make_fleet
from tests.browser.site import PageSite
from tests.web.pages.test_event_stream import block_office, get_stream_url, served_client, wait_for_event

OFFICES = LARGE_MIN + 200
BYTES_A_CELL_MAX = 80


@pytest.fixture(scope="module")
def fleet() -> SampleFleet:
    return make_fleet(OFFICES)


def render_page(fleet: SampleFleet, *query: tuple[str, str]) -> str:
    renderer = Renderer(lambda text: text, str)
    rendered = render_fleet(renderer, RenderedFleet(), FleetPageView(tuple(fleet.lines)))
    return renderer.render_fleet_page(rendered, Search.from_query(query), "", NOW)


def list_rows(page: str) -> list[str]:
    return re.findall(r'id="row-([^"]+)"', page)


def list_cells(page: str) -> list[str]:
    return re.findall(r'<a href="offices/([^"]+)"', page)


def test_the_grid_has_every_office_in_few_bytes_and_the_list_one_page(fleet: SampleFleet) -> None:
    page = render_page(fleet)
    assert sorted(list_cells(page)) == sorted(office.id for office in fleet.lines)
    assert len(list_rows(page)) == ROWS_MAX
    grid = page[page.index('id="grid"') : page.index("</nav>", page.index('id="grid"'))]
    assert len(grid.encode()) <= BYTES_A_CELL_MAX * OFFICES


def test_a_cell_has_the_condition_of_its_office_or_that_of_the_grid(fleet: SampleFleet) -> None:
    page = render_page(fleet)
    usual = re.search(r'class="grid compact t-(\w+)"', page)
    own = dict(re.findall(r'<a href="offices/([^"]+)" class="t-(\w+)">', page))
    assert usual is not None
    assert {office.id: own.get(office.id, usual[1]) for office in fleet.lines} == {
        office.id: office.status.condition.value for office in fleet.lines
    }


@pytest.mark.parametrize("sort", ["", "name"])
def test_the_pages_of_the_list_together_have_every_office_once(fleet: SampleFleet, sort: str) -> None:
    found: list[str] = []
    for number in range(1, -(-OFFICES // ROWS_MAX) + 1):
        page = render_page(fleet, ("page", str(number)), ("sort", sort))
        found += list_rows(page)
        assert ('rel="next"' in page) is (len(found) < OFFICES)
        assert ('rel="prev"' in page) is (number > 1)
    names = {office.id: office.name.casefold() for office in fleet.lines}
    assert sorted(found) == sorted(names)
    assert ([names[each] for each in found] == sorted(names.values())) is (sort == "name")


def test_a_search_is_of_the_grid_and_of_the_list(fleet: SampleFleet) -> None:
    late = {office.id for office in fleet.lines if office.status.condition is Condition.LATE}
    page = render_page(fleet, ("condition", "late"), ("condition", "fresh"))
    assert late < set(list_cells(page)) < {office.id for office in fleet.lines}
    assert late >= set(list_rows(page)[: len(late)]), "the worst first"
    assert "/?page=2&amp;condition=fresh&amp;condition=late#offices" in page
    assert list_rows(render_page(fleet, ("q", "no such office"))) == []


@pytest.mark.parametrize("number", ["0", "-1", "x", "٣", "9999999", "999999"])
def test_a_page_that_does_not_exist_is_the_first_or_the_last(fleet: SampleFleet, number: str) -> None:
    assert 0 < len(list_rows(render_page(fleet, ("page", number)))) <= ROWS_MAX


class CountingRenderer(Renderer):
    """Counts how often an office was rendered."""

    def __init__(self) -> None:
        super().__init__(lambda text: text, str)
        self.rendered: list[str] = []

    def render_office(self, office: OfficeView) -> Mapping[str, str]:
        self.rendered.append(office.id)
        return super().render_office(office)


@pytest.mark.parametrize("offices", [3, OFFICES])
def test_an_office_is_rendered_once_for_each_change_and_only_if_it_is_shown(offices: int) -> None:
    renderer, fleet = CountingRenderer(), make_fleet(offices)
    rendered = RenderedFleet()
    for number in range(3):
        if number == 2:
            block_office(fleet)
        rendered = render_fleet(renderer, rendered, FleetPageView(tuple(fleet.lines)))
        renderer.render_fleet_page(rendered, Search(), "", NOW)
    assert len(renderer.rendered) == min(offices, ROWS_MAX) + 1


async def test_a_change_is_sent_in_few_bytes_and_the_page_fetches_its_rows() -> None:
    fleet = make_fleet(OFFICES)
    async with served_client(PageSite(fleet)) as client:
        stream = await get_stream_url(client)
        office_id = block_office(fleet)
        event = await wait_for_event(client, stream)
        assert event.data["offices"] == [{"id": office_id, "condition": "blocked"}]
