"""Wording and structure of every page, as a whole: `python -m tests.web.pages.test_golden_pages` writes `golden/`."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from oddaemon.core.reporting.status_document import KeyRotation
from oddaemon.web.pages.fleet_feed import render_fleet
from oddaemon.web.pages.rendered import RenderedFleet
from oddaemon.web.pages.renderer import Renderer
from oddaemon.web.pages.search import Search
from oddaemon.web.pages.view_models import FleetPageView, GoneHostView, HostsView, HostView
from tests.browser.sample_fleet import NOW, SampleFleet, make_fleet, make_office_view

GOLDEN = Path(__file__).parent / "golden"
NEVER_PUBLISHED, BLOCKED = 1, 6
RENDERER = Renderer(str, lambda name: f"/static/{name}")


def make_golden_fleet(offices: int) -> SampleFleet:
    """The sample fleet with fixed sentences: what the core says of an office is no matter of the pages."""
    fleet = make_fleet(offices)
    fleet.lines = [
        replace(
            office,
            status=replace(
                office.status,
                reason="The reason.",
                advice="Run `oddaemon check`." if office.status.advice else "",
                letter="The message." if office.status.letter else "",
            ),
            forecast=replace(office.forecast, sentence="The forecast."),
        )
        for office in fleet.lines
    ]
    return fleet


def render_fleet_page(offices: int, not_ready_reason: str = "") -> str:
    view = FleetPageView(tuple(make_golden_fleet(offices).lines), 1, NOW - timedelta(days=2), not_ready_reason)
    rendered = render_fleet(RENDERER, RenderedFleet(), view)
    return RENDERER.render_fleet_page(rendered, Search.from_query([("q", "dental")]), "boot.1", NOW)


def render_page_of_hosts() -> str:
    gone = (GoneHostView("c", NOW, "Stopped in good order."),)
    hosts = HostsView(
        "a",
        (HostView("a", "working", 7, "1.0", NOW, "192.0.2.1"), HostView("b", "working", 4, "1.0", NOW, "")),
        gone,
        ("Hosts differ: b lacks elm.",),
    )
    names = ("a", "b", "")
    lines = [replace(each, host=names[number % 3]) for number, each in enumerate(make_golden_fleet(3).lines)]
    rendered = render_fleet(RENDERER, RenderedFleet(), FleetPageView(tuple(lines), 1, NOW, "", hosts))
    return RENDERER.render_fleet_page(rendered, Search.from_query([]), "boot.1", NOW)


def render_office_page(number: int) -> str:
    fleet = make_golden_fleet(12)
    office = fleet.lines[number]
    view = make_office_view(office, NOW, fleet.journals[office.id])
    if number == BLOCKED:
        view = replace(view, key_rotation=KeyRotation(NOW + timedelta(hours=1), previous_accepted=True))
    return RENDERER.render_office_page(view, RENDERER.render_office_parts(view, ""), "boot.1", NOW)


PAGES: Mapping[str, Callable[[], str]] = {
    "fleet.html": lambda: render_fleet_page(12),
    "fleet-hosts.html": render_page_of_hosts,
    "fleet-empty.html": lambda: render_fleet_page(0, "the disk is full"),
    "office.html": lambda: render_office_page(BLOCKED),
    "office-new.html": lambda: render_office_page(NEVER_PUBLISHED),
    "problem.html": lambda: RENDERER.render_problem_page("No such office", "It is not configured.", NOW),
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_as_recorded(name: str) -> None:
    recorded = (GOLDEN / name).read_text(encoding="utf-8")
    assert PAGES[name]() + "\n" == recorded, f"golden/{name} differs: if that is intended, record it again."


def record() -> None:
    """Write all pages."""
    for name, render in PAGES.items():
        (GOLDEN / name).write_text(render() + "\n", encoding="utf-8")


if __name__ == "__main__":
    record()
