"""The pages: how long a reader waits for the fleet, and what it costs the daemon to show it."""

import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from oddaemon.core.model import OfficeSpec, Preferences
from oddaemon.core.office.state import Intent, OfficeState
from oddaemon.core.reporting.office_runtime import OfficeRuntime
from oddaemon.web.pages.fleet_feed import render_fleet
from oddaemon.web.pages.rendered import RenderedFleet
from oddaemon.web.pages.renderer import Renderer
from oddaemon.web.pages.search import Search
from oddaemon.web.pages.view_builder import make_office_view
from oddaemon.web.pages.view_models import FleetPageView
from tests.bench.harness.figure import Figure, Measurement, Skip, Step, make_figure
from tests.bench.harness.rounds import interleave
from tests.browser.chromium import ChromiumNotInstalled, chromium, open_page
from tests.browser.load_time import measure_load_seconds
from tests.browser.sample_fleet import NOW, make_fleet
from tests.browser.site import PageSite, serve_site

FLEET, LARGE_FLEET = 500, 2_000
TIMES = 7
VIEW_MODELS = 1_000
PAGE_MILLISECONDS = {FLEET: 100, LARGE_FLEET: 400}


def measure() -> Measurement:
    """First in a real browser, then what each part costs the daemon."""
    yield Step("Chromium")
    yield _measure_load()
    for offices in (FLEET, LARGE_FLEET):
        actions = {
            f"writing the page of {offices:,} offices": _make_page_renderer(offices),
            f"painting {offices:,} offices for the first time": _make_first_render(offices),
            f"painting one that changed among {offices:,}": _make_single_render(offices),
        }
        times = yield from interleave({name: partial(_time, action) for name, action in actions.items()}, TIMES)
        for name, milliseconds in times.items():
            goal = PAGE_MILLISECONDS[offices] if name.startswith("writing") else None
            yield make_figure(name, milliseconds, "ms", goal=goal)
    yield Step("one office")
    microseconds = [1000 * _time(_make_view_models) / VIEW_MODELS for _ in range(TIMES)]
    yield make_figure("making the view of an office", microseconds, "µs")


def _measure_load() -> Figure | Skip:
    name = f"{FLEET} offices in a real Chromium, from the click to the rendered page"
    try:
        with chromium() as browser, serve_site(PageSite(make_fleet(FLEET))) as url, open_page(browser) as visited:
            seconds = [measure_load_seconds(visited.open_url(url)) for _ in range(TIMES)]
    except ChromiumNotInstalled as missing:
        return Skip(name, str(missing))
    return make_figure(name, seconds, "s", goal=1)


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


def _make_view_models() -> None:
    """Offices that changed: those that did not are only looked at."""
    line = make_fleet(1).lines[0]
    state = OfficeState(
        Intent.PROBE,
        line.status,
        NOW + timedelta(minutes=1),
        preferences=Preferences("2026-03-03", "2020-01-01 02:00:00", "", "0", "25.4.48.0", NOW),
        run_seconds=2400.0,
    )
    view = OfficeRuntime(OfficeSpec("office", "Office", zone=line.clock.zone), state, NOW, line.snapshot)
    for _ in range(VIEW_MODELS):
        make_office_view(view, (), NOW)


def _time(action: Callable[[], object]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    action()
    return 1000 * (time.perf_counter() - began)
