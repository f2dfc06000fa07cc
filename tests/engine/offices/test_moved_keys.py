"""A key that was moved opens another office's database: the office is blocked, and not a row of the other gets in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from oddaemon.core.failures.failure import FailureKind
from oddaemon.core.model import Condition, Owner, Reader
from oddaemon.core.office.status import to_sentence
from oddaemon.simulator.faults.faults import KeyMoved
from oddaemon.simulator.model.spec import PracticeSpec
from tests.engine.night import SMALL, make_office_settings, night, schedule_fault, time_after_start
from tests.engine.world import World

ELSEWHERE = PracticeSpec("elsewhere", seed=9, guarantors=45, settled=10)
SENTENCE = to_sentence(FailureKind.OTHER_DATABASE.meaning)


@asynccontextmanager
async def night_with_moved_key(
    directory: Path, works_after_seconds: float, reader: Reader = Reader.AUTO
) -> AsyncIterator[World]:
    """`smile` has its first snapshot when its key is moved, ten minutes into the night, for six hours."""
    fault = schedule_fault(
        KeyMoved("elsewhere", works_after_seconds), time_after_start(minutes=10), time_after_start(hours=6)
    )
    offices = [make_office_settings(reader=reader), make_office_settings("elsewhere")]
    async with night(directory, [SMALL, ELSEWHERE], offices, faults=[fault]) as world:
        await world.wait_for_snapshots(1)
        yield world


@pytest.mark.parametrize("reader", [Reader.STATEMENT, Reader.PAGES])
@pytest.mark.parametrize("works_after_seconds", [0.0, 900.0])
async def test_a_moved_key_blocks_the_office_and_nothing_is_mixed(
    tmp_path: Path, works_after_seconds: float, reader: Reader
) -> None:
    async with night_with_moved_key(tmp_path, works_after_seconds, reader) as world:
        previous = await world.read_balances()
        await world.sleep_until(time_after_start(hours=5.9))
        assert world.assert_explained(Condition.BLOCKED, Owner.OFFICE, SENTENCE)
        assert await world.read_balances() == previous
        assert len(world.list_published()) == 1
        assert len(world.list_published("elsewhere")) == 2
        assert world.daemon.get_status()["offices"][0]["aging_date"] is None
        since = time_after_start(hours=4)
        assert len(world.list_requests(since=since)) <= 5 * 7, "slow probes: a survey and a look at the clocks"
        await world.wait_for_snapshots(2, within=timedelta(minutes=45))
        assert world.assert_explained(Condition.FRESH, None, "2026-03-03")
        assert await world.is_true()


async def test_an_unassigned_key_shows_its_database_before_it_is_believed(tmp_path: Path) -> None:
    async with night_with_moved_key(tmp_path, works_after_seconds=2400) as world:
        await world.wait_until(lambda: SENTENCE in world.get_status().reason)
        assert world.clock.now() < time_after_start(hours=1.5), "long before the next run is due to be read"
        assert "key_unassigned" in world.list_failure_kinds()


async def test_pages_of_two_databases_are_not_put_together(tmp_path: Path) -> None:
    specs = [PracticeSpec("smile", seed=1, guarantors=300, settled=10), ELSEWHERE]
    offices = [make_office_settings(reader=Reader.PAGES), make_office_settings("elsewhere")]
    async with night(tmp_path, specs, offices) as world:
        await world.wait_for_snapshots(1)
        first = len(world.find_events("page_stored"))
        await world.wait_for_event("page_stored", first + 2)
        world.headquarters.faults.schedule(
            schedule_fault(KeyMoved("elsewhere", 0.0), world.clock.now(), time_after_start(hours=3))
        )
        await world.sleep_until(time_after_start(hours=2.9))
        assert len(world.list_published()) == 1
        assert "other_database" in world.list_failure_kinds()
        await world.wait_for_snapshots(2)
        assert await world.is_true()


async def test_a_restart_still_knows_whose_database_it_was(tmp_path: Path) -> None:
    async with night_with_moved_key(tmp_path, works_after_seconds=0) as world:
        await world.crash()
        await world.sleep_until(time_after_start(hours=3))
        await world.start()
        await world.wait_for_condition(Condition.BLOCKED)
        assert world.assert_explained(Condition.BLOCKED, Owner.OFFICE, SENTENCE)


async def test_a_practice_with_a_new_name_goes_on(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        world.get_practice().set_preference("PracticeTitle", "Smile & Sons")
        await world.wait_for_snapshots(2)
        world.get_practice().set_preference("PracticePhone", "5035550100")
        await world.wait_for_snapshots(3)
        assert "other_database" not in world.list_failure_kinds()
