"""Offices whose answers are sound and unusually spelled, or old: each becomes fresh, and no one is blamed."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from oddaemon.core.model import Condition, Owner, Reader
from oddaemon.simulator.api.keys import ApiKey, Permission
from oddaemon.simulator.api.messages import Endpoint
from oddaemon.simulator.faults.faults import OtherBody, Respelled, ScheduledFault, StalePreferences
from oddaemon.simulator.faults.spellings import SPELLINGS
from oddaemon.simulator.headquarters.options import HeadquartersOptions
from tests.engine.night import DUE, SMALL, make_office_settings, night, schedule_fault, time_after_start
from tests.engine.request_recorder import CUSTOMER_KEY_PREFIX

READ_ALL = [ApiKey(f"{CUSTOMER_KEY_PREFIX}smile", "smile", Permission.READ_ALL)]
ECONNECTOR = "The office's eConnector is not running. Please contact the office to start their eConnector."
ERRORS = (f'"{ECONNECTOR}"', f'{{"Message": "{ECONNECTOR}"}}', f'[{{"error": "{ECONNECTOR}"}}]', ECONNECTOR)


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_an_office_becomes_fresh_however_its_answers_are_spelled(tmp_path: Path, spelling: str) -> None:
    async with night(tmp_path, [SMALL], faults=[ScheduledFault(Respelled(spelling))]) as world:
        await world.wait_for_snapshots(2)
        assert world.assert_explained(Condition.FRESH, None, "2026-03-03")
        assert world.list_failure_kinds() == []
        assert await world.is_true()


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_a_report_is_read_however_it_is_spelled(tmp_path: Path, spelling: str) -> None:
    office = make_office_settings(interval=5.0, reader=Reader.REPORT)
    faults = [ScheduledFault(Respelled(spelling))]
    async with night(tmp_path, [SMALL], [office], keys=READ_ALL, faults=faults) as world:
        await world.wait_for_snapshots(2)
        assert world.assert_explained(Condition.FRESH, None, "2026-03-03")
        assert world.list_failure_kinds() == []


@pytest.mark.parametrize("spelling", ["dates_with_times", "dates_in_utc", "byte_order_mark"])
async def test_an_office_that_spells_only_some_answers_so_is_read_once(tmp_path: Path, spelling: str) -> None:
    """A date is the same date in either spelling."""
    faults = [ScheduledFault(Respelled(spelling), chance=0.5)]
    async with night(tmp_path, [SMALL], faults=faults) as world:
        await world.wait_for_snapshots(2)
        await world.sleep_until(time_after_start(hours=20))
        assert [line["aging_date"] for line in world.list_published()] == ["2026-03-02", "2026-03-03"]
        assert world.assert_explained(Condition.FRESH, None)


@pytest.mark.parametrize("body", ERRORS)
async def test_an_error_under_a_success_status_is_that_error(tmp_path: Path, body: str) -> None:
    ends = time_after_start(hours=3)
    async with night(tmp_path, [SMALL], faults=[schedule_fault(OtherBody(body), time_after_start(), ends)]) as world:
        await world.wait_for_condition(Condition.UNREACHABLE)
        assert set(world.list_failure_kinds()) == {"econnector_down"}
        await world.wait_for_condition(Condition.FRESH)
        assert await world.is_true()


@pytest.mark.parametrize("age_seconds", [600.0, 9000.0])
async def test_no_one_is_blamed_for_a_get_that_is_answered_from_a_replica(tmp_path: Path, age_seconds: float) -> None:
    faults = [ScheduledFault(StalePreferences(age_seconds))]
    async with night(tmp_path, [SMALL], faults=faults) as world:
        await world.wait_until(lambda: world.clock.now() > DUE)
        owners: set[Owner | None] = set()
        while len(world.list_published()) < 2 and world.clock.now() < DUE + timedelta(hours=6):
            await world.sleep_until(world.clock.now() + timedelta(minutes=5))
            owners.add(world.get_status().owner)
            assert not world.get_status().letter
        assert owners <= {None}
        assert world.list_published()[-1]["aging_date"] == "2026-03-03"
        assert await world.is_true()


async def test_a_filter_that_is_ignored_switches_nothing_off(tmp_path: Path) -> None:
    """The due time of aging is not on the first page of the whole list."""
    async with night(tmp_path, [replace(SMALL)], options=HeadquartersOptions(filters_ignored=True)) as world:
        await world.wait_for_snapshots(2)
        assert world.assert_explained(Condition.FRESH, None, "2026-03-03")
        assert Endpoint.PREFERENCES in world.list_request_kinds()
        assert not world.get_status().letter
