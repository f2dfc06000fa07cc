"""Aging of some families, and offices whose queries may not read every table: no one is blamed, nothing is missed."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from oddaemon.core.model import Condition, Owner, Reader
from oddaemon.simulator.api.messages import Endpoint
from oddaemon.simulator.faults.faults import PartialAging, QueryUserRestricted, ScheduledFault
from tests.engine.night import DUE, SMALL, night, time_after_start
from tests.golden import GoldenTexts


@pytest.mark.parametrize("version", ["22.2.5.0", "25.4.48.0"])
async def test_aging_of_some_families_by_day_is_read_again_without_blame(tmp_path: Path, version: str) -> None:
    async with night(tmp_path, [replace(SMALL, program_version=version)]) as world:
        await world.wait_for_snapshots(2)
        await world.sleep_until(time_after_start(hours=8))
        world.get_practice().start_partial_aging(5, 2400.0)
        await world.wait_for_snapshots(3, within=timedelta(hours=2))
        assert world.list_published()[2]["aging_date"] == "2026-03-03"
        assert world.assert_explained(Condition.FRESH, None)
        assert not world.get_status().letter
        assert await world.is_true()


async def test_aging_of_some_families_over_the_due_time_delays_no_night(tmp_path: Path) -> None:
    spec = replace(SMALL, repeating_charges_time="01:59:50", partial_seconds=100.0)
    async with night(tmp_path, [spec]) as world:
        await world.wait_for_snapshots(1)
        await world.wait_for_condition(Condition.AGING)
        await world.wait_until(lambda: world.list_published()[-1]["aging_date"] == "2026-03-03")
        assert world.clock.now() < DUE + timedelta(minutes=10)
        assert world.assert_explained(Condition.FRESH, None)
        assert await world.is_true()


async def test_aging_of_some_families_during_a_pull_costs_a_second_look(tmp_path: Path) -> None:
    fault = ScheduledFault(PartialAging(3, 20.0), endpoints=frozenset({Endpoint.PREFERENCES}), skip=0, hits_max=1)
    async with night(tmp_path, [SMALL], faults=[fault]) as world:
        await world.wait_for_snapshots(1)
        assert world.assert_explained(Condition.FRESH, None)
        assert await world.is_true()


async def test_a_query_user_who_may_read_patients_only_costs_pages_and_no_sleep(tmp_path: Path) -> None:
    fault = ScheduledFault(QueryUserRestricted(("patient",)))
    async with night(tmp_path, [SMALL], faults=[fault]) as world:
        await world.wait_for_snapshots(2)
        assert {row.reader for row in await world.read_history()} == {Reader.PAGES}
        assert world.assert_explained(Condition.FRESH, None)
        assert await world.is_true()


async def test_a_query_user_who_may_read_nothing_is_the_offices_to_change(tmp_path: Path, golden: GoldenTexts) -> None:
    fault = ScheduledFault(QueryUserRestricted(("appointment",)))
    async with night(tmp_path, [SMALL], faults=[fault]) as world:
        await world.wait_for_condition(Condition.BLOCKED)
        assert world.assert_explained(Condition.BLOCKED, Owner.OFFICE)
        golden.check(world.get_status().reason)
        letter = world.get_status().letter
        assert all(word in letter for word in ("OpenDentalWebConfig.xml", "<UserLow>", "patient", "preference"))
        assert world.list_published() == []
        world.headquarters.faults.clear()
        await world.wait_for_snapshots(1, within=timedelta(hours=2))
        assert await world.is_true()


async def test_a_run_that_was_rolled_back_leaves_a_true_table(tmp_path: Path, golden: GoldenTexts) -> None:
    async with night(tmp_path, [replace(SMALL, run_seconds=600)]) as world:
        await world.sleep_until(DUE + timedelta(minutes=5))
        world.get_practice().aging.abort(rolls_back=True)
        await world.sleep_until(DUE + timedelta(minutes=40))
        assert world.get_status().owner is None
        assert "two" not in world.get_status().reason
        await world.wait_for_condition(Condition.LATE)
        assert world.assert_explained(Condition.LATE, Owner.OFFICE)
        golden.check(world.get_status().reason)
        assert await world.is_true()
