"""Offices whose key has only Read All: read by the vendor's aging report, twice."""

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from oddaemon.core.model import Condition, Include, Owner, Reader
from oddaemon.core.snapshot.aging_report import count_report_requests
from oddaemon.simulator.api.keys import ApiKey, Permission
from oddaemon.simulator.api.messages import Endpoint
from oddaemon.simulator.faults.faults import GatewayError, ScheduledFault
from oddaemon.simulator.headquarters.options import HeadquartersOptions
from oddaemon.simulator.model.spec import PracticeSpec
from tests.engine.night import (
    DUE,
    SMALL,
    SMILE,
    make_office_settings,
    night,
    replace_offices,
    schedule_fault,
    time_after_start,
)
from tests.engine.request_recorder import CUSTOMER_KEY_PREFIX
from tests.engine.world import World

READ_ALL = [
    ApiKey(f"{CUSTOMER_KEY_PREFIX}smile", "smile", Permission.READ_ALL),
    ApiKey(f"{CUSTOMER_KEY_PREFIX}smile-queries", "smile", label="with queries"),
]


def read_all_night(
    directory: Path,
    spec: PracticeSpec = SMALL,
    options: HeadquartersOptions | None = None,
    faults: Iterable[ScheduledFault] = (),
    **overrides: Any,
) -> AbstractAsyncContextManager[World]:
    office = make_office_settings(interval=5.0, reader=Reader.REPORT, **overrides)
    return night(directory, [spec], [office], keys=READ_ALL, options=options, faults=faults)


def count_reports(world: World) -> int:
    return world.list_request_kinds().count(Endpoint.AGING_REPORT)


async def test_an_office_is_read_without_a_single_query(tmp_path: Path) -> None:
    async with read_all_night(tmp_path) as world:
        await world.wait_for_snapshots(2)
        assert world.assert_explained(Condition.FRESH, None, "2026-03-03")
        assert Endpoint.SHORT_QUERY not in world.list_request_kinds()
        assert count_reports(world) == 2 * count_report_requests(40, 100)
        assert [line["reader"] for line in world.list_published()] == ["report", "report"]


async def test_many_guarantors_are_many_pages_twice(tmp_path: Path) -> None:
    async with read_all_night(tmp_path, SMILE) as world:
        await world.wait_for_snapshots(1)
        (snapshot,) = await world.read_history()
        assert snapshot.totals.guarantors > 200
        assert count_reports(world) == count_report_requests(snapshot.totals.guarantors, 100)


@pytest.mark.parametrize("include", Include)
async def test_clinics_and_debts_are_as_wanted(tmp_path: Path, include: Include) -> None:
    spec = replace(SMALL, clinics=4)
    async with read_all_night(tmp_path, spec, clinics=(0, 2), include=include) as world:
        await world.wait_for_snapshots(1)
        stored = await world.read_balances()
        assert {balance.clinic_num for balance in stored} == {0, 2}


async def test_a_server_that_sends_everything_behind_an_offset_is_understood(tmp_path: Path) -> None:
    async with read_all_night(tmp_path, SMILE, HeadquartersOptions(offset_gives_everything=True)) as world:
        await world.wait_for_snapshots(1)
        assert count_reports(world) == 4


async def test_a_pull_goes_on_at_its_page_after_a_crash(tmp_path: Path) -> None:
    async with read_all_night(tmp_path, SMILE) as world:
        for pages in (2, 4):
            await world.wait_for_event("page_stored", count=pages)
            await world.crash()
            await world.start()
        await world.wait_for_snapshots(1)
        (snapshot,) = await world.read_history()
        answered = [each for each in world.list_requests() if each.kind is Endpoint.AGING_REPORT and each.status == 200]
        needed = count_report_requests(snapshot.totals.guarantors, 100)
        assert len(answered) <= needed + 2, "at most the page in flight of each crash"


async def test_what_changes_between_the_two_readings_is_read_again(tmp_path: Path) -> None:
    async with read_all_night(tmp_path, SMILE) as world:
        await world.wait_for_snapshots(1)
        first_reading = len(world.find_events("page_stored")) // 2
        # What is posted today is in no report of yesterday, so it disturbs that of tonight's aging only.
        await world.wait_for_event("page_stored", count=3 * first_reading)
        world.get_practice().post_activity(3)
        await world.wait_for_snapshots(2)
        assert "incomplete" in world.list_failure_kinds()


async def test_a_busy_office_that_never_stands_still_is_suspect(tmp_path: Path) -> None:
    async with read_all_night(tmp_path, replace(SMILE, activity_per_hour=900)) as world:
        await world.wait_for_condition(Condition.SUSPECT)
        assert world.assert_explained(Condition.SUSPECT, Owner.VENDOR, "report")
        assert [line["aging_date"] for line in world.list_published()] == ["2026-03-02"]


async def test_aging_that_begins_during_the_reading_throws_it_away(tmp_path: Path) -> None:
    spec = replace(SMILE, run_seconds=30.0, service_time_due="02:00:00")
    async with read_all_night(tmp_path, spec, HeadquartersOptions(report_seconds=25.0)) as world:
        await world.sleep_until(DUE - timedelta(minutes=2))
        await world.crash()
        await world.start()
        await world.wait_for_snapshots(1)
        await world.wait_for_snapshots(2)
        assert world.assert_explained(Condition.FRESH, None, "2026-03-03")


async def test_gateway_errors_cost_a_page_and_nothing_else(tmp_path: Path) -> None:
    fault = schedule_fault(GatewayError(), time_after_start(minutes=1), time_after_start(minutes=3))
    async with read_all_night(tmp_path, SMILE, faults=[fault]) as world:
        await world.wait_for_snapshots(2)


async def test_a_key_that_may_query_after_all_goes_back_to_the_statement(tmp_path: Path) -> None:
    async with read_all_night(tmp_path) as world:
        await world.wait_for_snapshots(1)
        offices = (make_office_settings(key=f"{CUSTOMER_KEY_PREFIX}smile-queries"),)
        await world.apply(replace_offices(world.settings, offices))
        await world.wait_for_snapshots(2)
        assert world.list_published()[1]["reader"] == "statement"
