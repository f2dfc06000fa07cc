"""What the pages show of a real night, office by office, and that nothing of a patient is among it."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from oddaemon.core.model import Condition, Owner
from oddaemon.core.reporting.forecast import Outlook
from oddaemon.core.reporting.night_history import NightOutcome
from oddaemon.simulator.faults.faults import EConnectorDown
from oddaemon.simulator.model.spec import PracticeSpec
from oddaemon.simulator.virtual_time import make_virtual_loop
from oddaemon.web.pages.fleet_feed import render_fleet
from oddaemon.web.pages.rendered import RenderedFleet
from oddaemon.web.pages.renderer import Renderer
from oddaemon.web.pages.search import Search
from oddaemon.web.pages.view_models import FleetPageView, OfficeView
from tests.engine.night import BEFORE_DAWN, DUE, SMALL, make_office_settings, night, replace_offices, schedule_fault
from tests.engine.world import World

pytestmark = pytest.mark.event_loop(factory=make_virtual_loop)

CANARY_PAT_NUM = 730_114_001
FAMILIES = PracticeSpec("smile", seed=5, guarantors=120, settled=20, first_pat_num=CANARY_PAT_NUM)


async def get_office_view(world: World, office_id: str = "smile") -> OfficeView:
    view = await world.daemon.view_builder.build_office(office_id)
    assert view is not None
    return view


async def get_fleet_view(world: World) -> FleetPageView:
    return await world.daemon.view_builder.build_fleet()


async def test_a_night_that_went_well_is_in_time_and_the_next_is_expected(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(2)
        await world.wait_for_condition(Condition.FRESH)
        view = await get_office_view(world)
        [line] = (await get_fleet_view(world)).offices
    assert [each.outcome for each in view.nights[-3:]] == [
        NightOutcome.UNKNOWN,
        NightOutcome.IN_TIME,
        NightOutcome.IN_TIME,
    ]
    last = view.nights[-1].first
    assert last is not None
    assert (last.published_at, last.requests) == (view.publications[0].published_at, 1)
    assert last.early_by == line.early_by
    assert line.early_by is not None
    assert line.early_by > timedelta(hours=4)
    assert line.forecast.outlook is Outlook.IN_TIME
    assert line.forecast.ready_at is not None
    assert timedelta() < line.forecast.ready_at - (DUE + timedelta(days=1)) < timedelta(minutes=10)


async def test_while_its_aging_runs_the_night_is_pending(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_condition(Condition.AGING)
        view = await get_office_view(world)
    assert view.nights[-1].outcome is NightOutcome.PENDING
    assert str(view.nights[-1].aging_date) == "2026-03-03"


async def test_a_missed_run_is_overdue_once_its_hour_has_passed_and_says_who_must_act(tmp_path: Path) -> None:
    async with night(tmp_path, [replace(SMALL, start_delay_seconds=7200.0)]) as world:
        await world.wait_for_snapshots(1)
        await world.wait_for_condition(Condition.LATE)
        view = await get_office_view(world)
    assert view.nights[-1].outcome is NightOutcome.OVERDUE
    assert view.forecast.outlook is Outlook.MISSED
    assert view.status.owner is Owner.OFFICE


async def test_lines_that_nothing_happened_to_are_the_same_objects(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL, replace(SMALL, office_id="other", seed=2)]) as world:
        await world.wait_for_snapshots(1, "smile")
        await world.wait_for_snapshots(1, "other")
        before, after = await get_fleet_view(world), await get_fleet_view(world)
    assert len(before.offices) == 2
    assert all(one is other for one, other in zip(before.offices, after.offices, strict=True))


async def test_a_configuration_put_in_force_again_is_another_generation(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        before = await get_fleet_view(world)
        renamed = replace(
            world.settings.offices["smile"],
            spec=replace(world.settings.offices["smile"].spec, name="Renamed"),
        )
        await world.clock.sleep_until(BEFORE_DAWN + timedelta(minutes=1))
        await world.apply(replace_offices(world.settings, (renamed,)))
        after = await get_fleet_view(world)
    assert after.generation == before.generation + 1
    assert [line.name for line in after.offices] == ["Renamed"]
    assert before.configured_at == BEFORE_DAWN
    assert after.configured_at == BEFORE_DAWN + timedelta(minutes=1)


async def test_an_office_that_is_not_configured_has_no_view(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        assert await world.daemon.view_builder.build_office("absent") is None


async def test_an_office_that_was_never_read_has_a_view(tmp_path: Path) -> None:
    faults = [schedule_fault(EConnectorDown())]
    async with night(tmp_path, [SMALL], faults=faults) as world:
        await world.wait_for_condition(Condition.UNREACHABLE)
        view = await get_office_view(world)
    assert (view.publications, view.preferences) == ((), None)
    assert {each.outcome for each in view.nights} == {NightOutcome.UNKNOWN}


async def test_nothing_of_a_patient_and_no_key_is_on_any_page(tmp_path: Path) -> None:
    async with night(tmp_path, [FAMILIES], [make_office_settings(zone=None)]) as world:
        await world.wait_for_snapshots(2)
        pages = await render_pages(world)
        balances, snapshots = await world.read_balances(), await world.read_history()
    assert len(balances) >= 100
    text = " ".join(pages)
    assert "guarantors" in text
    assert "planted-" not in text
    assert str(CANARY_PAT_NUM // 1000) not in text
    sums = [row.totals for row in snapshots]
    of_the_office = {abs(cents) for totals in sums for cents in totals}
    of_the_office |= {
        abs(one - other) for first in sums for second in sums for one, other in zip(first, second, strict=True)
    }
    # The charts' coordinates are numbers, too, none of them above 400.
    shown = {int(each.replace(",", "").replace(".", "")) for each in re.findall(r"\d[\d,]*\.\d\d", text)}
    dollars = {int(each.replace(",", "").replace(".", "")) for each in re.findall(r"\$(\d[\d,]*\.\d\d)", text)}
    for balance in balances:
        patient_amounts = {abs(cents) for cents in balance[2:]} - of_the_office
        assert not patient_amounts & dollars
        assert not {cents for cents in patient_amounts if cents > 400_00} & shown


async def render_pages(world: World) -> list[str]:
    """Both pages, and every piece that a stream could send."""
    renderer = Renderer(lambda text: text, str)
    rendered = render_fleet(renderer, RenderedFleet(), await get_fleet_view(world))
    view, now = await get_office_view(world), world.get_daemon_now()
    parts = renderer.render_office_parts(view, "")
    fragments = [text for office in rendered.offices.values() for text in office.shown.values()]
    pages = [
        renderer.render_fleet_page(rendered, Search(), "", now),
        renderer.render_office_page(view, parts, "", now),
    ]
    return [*pages, *fragments, *rendered.parts.values(), *parts.values()]
