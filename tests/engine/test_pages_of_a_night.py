"""What the pages show of a real night, office by office, and that nothing of a patient is among it."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from oddaemon.core.model import Condition, Owner
from oddaemon.core.reporting.forecast import Outlook
from oddaemon.core.reporting.night_history import NightOutcome
from oddaemon.simulator.faults.faults import EConnectorDown
from oddaemon.simulator.model.spec import PracticeSpec
from oddaemon.web.pages.fleet_feed import render_fleet
from oddaemon.web.pages.rendered import RenderedFleet
from oddaemon.web.pages.renderer import Renderer
from oddaemon.web.pages.search import Search
from oddaemon.web.pages.view_models import FleetPageView, OfficePageView
from tests.engine.night import BEFORE_DAWN, DUE, SMALL, night, office_settings, planted
from tests.engine.world import World

PLANTED_PAT_NUM = 730_114_001
FAMILIES = PracticeSpec("smile", seed=5, guarantors=120, settled=20, first_pat_num=PLANTED_PAT_NUM)


async def office_picture(world: World, office_id: str = "smile") -> OfficePageView:
    picture = await world.daemon.view_builder.build_office(office_id)
    assert picture is not None
    return picture


async def fleet_picture(world: World) -> FleetPageView:
    return await world.daemon.view_builder.build_fleet()


async def test_a_night_that_went_well_is_in_time_and_the_next_is_expected(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.until_published(2)
        await world.until_is(Condition.FRESH)
        picture = await office_picture(world)
        [line] = (await fleet_picture(world)).offices
    assert [each.outcome for each in picture.nights[-3:]] == [
        NightOutcome.UNKNOWN,
        NightOutcome.IN_TIME,
        NightOutcome.IN_TIME,
    ]
    last = picture.nights[-1].first
    assert last is not None
    assert (last.published_at, last.requests) == (picture.publications[0].published_at, 1)
    assert last.early_by == line.early_by
    assert line.early_by is not None
    assert line.early_by > timedelta(hours=4)
    assert line.forecast.outlook is Outlook.IN_TIME
    assert line.forecast.ready_at is not None
    assert timedelta() < line.forecast.ready_at - (DUE + timedelta(days=1)) < timedelta(minutes=10)


async def test_while_its_aging_runs_the_night_is_awaited(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.until_is(Condition.AGING)
        picture = await office_picture(world)
    assert picture.nights[-1].outcome is NightOutcome.PENDING
    assert str(picture.nights[-1].aging_date) == "2026-03-03"


async def test_a_missed_run_is_overdue_once_its_hour_has_passed_and_says_who_must_act(tmp_path: Path) -> None:
    async with night(tmp_path, [replace(SMALL, start_delay_seconds=7200.0)]) as world:
        await world.until_published(1)
        await world.until_is(Condition.LATE)
        picture = await office_picture(world)
    assert picture.nights[-1].outcome is NightOutcome.OVERDUE
    assert picture.overview.forecast.outlook is Outlook.MISSED
    assert picture.overview.status.owner is Owner.OFFICE


async def test_lines_that_nothing_happened_to_are_the_same_objects(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL, replace(SMALL, office_id="other", seed=2)]) as world:
        await world.until_published(1, "smile")
        await world.until_published(1, "other")
        before, after = await fleet_picture(world), await fleet_picture(world)
    assert len(before.offices) == 2
    assert all(one is other for one, other in zip(before.offices, after.offices, strict=True))


async def test_a_configuration_put_in_force_again_is_another_generation(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        before = await fleet_picture(world)
        renamed = replace(world.settings.offices[0], office=replace(world.settings.offices[0].office, name="Renamed"))
        await world.clock.sleep_until(BEFORE_DAWN + timedelta(minutes=1))
        await world.apply(replace(world.settings, offices=(renamed,)))
        after = await fleet_picture(world)
    assert after.generation == before.generation + 1
    assert [line.name for line in after.offices] == ["Renamed"]
    assert before.configured_at == BEFORE_DAWN
    assert after.configured_at == BEFORE_DAWN + timedelta(minutes=1)


async def test_an_office_that_is_not_configured_has_no_picture(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        assert await world.daemon.view_builder.build_office("nobody") is None


async def test_an_office_that_was_never_read_has_a_picture_all_the_same(tmp_path: Path) -> None:
    faults = [planted(EConnectorDown())]
    async with night(tmp_path, [SMALL], faults=faults) as world:
        await world.until_is(Condition.UNREACHABLE)
        picture = await office_picture(world)
    assert (picture.publications, picture.preferences) == ((), None)
    assert {each.outcome for each in picture.nights} == {NightOutcome.UNKNOWN}


async def test_nothing_of_a_patient_and_no_key_is_on_any_page(tmp_path: Path) -> None:
    async with night(tmp_path, [FAMILIES], [office_settings(zone=None)]) as world:
        await world.until_published(2)
        pages = await painted_pages(world)
        balances, snapshots = await world.balances(), await world.history()
    assert len(balances) >= 100
    said = " ".join(pages)
    assert "guarantors" in said
    assert "planted-" not in said
    assert str(PLANTED_PAT_NUM // 1000) not in said
    sums = [row.totals for row in snapshots]
    of_the_office = {abs(cents) for totals in sums for cents in totals}
    of_the_office |= {
        abs(one - other) for first in sums for second in sums for one, other in zip(first, second, strict=True)
    }
    # The charts' coordinates are numbers, too, none of them above 400.
    shown = {int(each.replace(",", "").replace(".", "")) for each in re.findall(r"\d[\d,]*\.\d\d", said)}
    dollars = {int(each.replace(",", "").replace(".", "")) for each in re.findall(r"\$(\d[\d,]*\.\d\d)", said)}
    for balance in balances:
        of_a_patient = {abs(cents) for cents in balance[2:]} - of_the_office
        assert not of_a_patient & dollars
        assert not {cents for cents in of_a_patient if cents > 400_00} & shown


async def painted_pages(world: World) -> list[str]:
    """Both pages, and every piece that a stream could send."""
    renderer = Renderer(lambda text: text, str)
    painting = render_fleet(renderer, RenderedFleet(), await fleet_picture(world))
    picture, now = await office_picture(world), world.daemon_now()
    parts = renderer.render_office_parts(picture, "")
    pieces = [
        text for piece in painting.offices.values() for text in (piece.cell, piece.row, piece.search_text, piece.labels)
    ]
    pages = [
        renderer.render_fleet_page(painting, Search(), "", now),
        renderer.render_office_page(picture, parts, "", now),
    ]
    return [*pages, *pieces, *painting.parts.values(), *parts.values()]
