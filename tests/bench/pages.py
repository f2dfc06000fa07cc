"""The pages: how long a reader waits for the fleet, and what it costs the daemon to show it."""

import time
from collections.abc import Callable
from datetime import timedelta
from statistics import median

from oddaemon.core.model import OfficeSpec, Preferences
from oddaemon.core.office.state import Intent, OfficeState
from oddaemon.core.reporting.office_runtime import OfficeRuntime
from oddaemon.web.pages.fleet_feed import render_fleet
from oddaemon.web.pages.rendered import RenderedFleet
from oddaemon.web.pages.renderer import Renderer
from oddaemon.web.pages.search import Search
from oddaemon.web.pages.view_builder import make_office_view
from oddaemon.web.pages.view_models import FleetPageView
from tests.browser.chromium import ChromiumNotInstalled, chromium, open_page
from tests.browser.load_time import measure_load_seconds
from tests.browser.sample_fleet import NOW, make_fleet
from tests.browser.site import PageSite, serve_site

FLEET, LARGE_FLEET = 500, 2_000
TIMES = 7


def measure() -> list[tuple[str, str, str]]:
    """Rows of the table: what, figure, goal."""
    return [
        (f"{FLEET} offices in a real Chromium, from the click to the picture", _measure_load(), "< 1 s"),
        *(
            row
            for offices in (FLEET, LARGE_FLEET)
            for row in (
                (
                    f"writing the page of {offices:,} offices",
                    _format_milliseconds(_make_page_renderer(offices)),
                    "< 100 ms a 500",
                ),
                (
                    f"painting {offices:,} offices for the first time",
                    _format_milliseconds(_make_first_render(offices)),
                    "",
                ),
                (
                    f"painting one that changed among {offices:,}",
                    _format_milliseconds(_make_single_render(offices)),
                    "",
                ),
            )
        ),
        ("taking the picture of an office", f"{1e6 * _measure_view_model():.0f} µs", ""),
    ]


def _measure_load() -> str:
    try:
        with chromium() as browser, serve_site(PageSite(make_fleet(FLEET))) as url, open_page(browser) as visited:
            taken = sorted(measure_load_seconds(visited.open_url(url)) for _ in range(TIMES))
    except ChromiumNotInstalled as missing:
        return str(missing)
    return f"{median(taken):.2f} s ({taken[0]:.2f} to {taken[-1]:.2f})"


def _make_page_renderer(offices: int) -> Callable[[], object]:
    renderer, rendered = _render_fleet(offices)
    return lambda: renderer.render_fleet_page(rendered, Search(), "", NOW).encode()


def _make_first_render(offices: int) -> Callable[[], object]:
    renderer, rendered = _render_fleet(offices)
    return lambda: render_fleet(renderer, RenderedFleet(), rendered.view)


def _make_single_render(offices: int) -> Callable[[], object]:
    renderer, rendered = _render_fleet(offices)
    fleet = make_fleet(offices)
    fleet.set_condition(fleet.lines[-1].id, fleet.lines[-1].status.condition, "Otherwise.")
    lines = (*rendered.view.offices[:-1], fleet.lines[-1])
    return lambda: render_fleet(renderer, rendered, FleetPageView(lines))


def _render_fleet(offices: int) -> tuple[Renderer, RenderedFleet]:
    renderer = Renderer(lambda text: text, str)
    return renderer, render_fleet(renderer, RenderedFleet(), FleetPageView(tuple(make_fleet(offices).lines)))


def _measure_view_model() -> float:
    """Seconds for one office that changed: those that did not are only looked at."""
    line = make_fleet(1).lines[0]
    state = OfficeState(
        Intent.PROBE,
        line.status,
        NOW + timedelta(minutes=1),
        preferences=Preferences("2026-03-03", "2020-01-01 02:00:00", "", "0", "25.4.48.0", NOW),
        run_seconds=2400.0,
    )
    view = OfficeRuntime(OfficeSpec("office", "Office", zone=line.clock.zone), state, NOW, line.snapshot)
    return _time_action(lambda: [make_office_view(view, (), NOW) for _ in range(1000)]) / 1000


def _format_milliseconds(action: Callable[[], object]) -> str:
    return f"{1e3 * _time_action(action):.0f} ms"


def _time_action(action: Callable[[], object]) -> float:
    taken = []
    for _ in range(TIMES):
        began = time.perf_counter()
        action()
        taken.append(time.perf_counter() - began)
    return median(taken)
