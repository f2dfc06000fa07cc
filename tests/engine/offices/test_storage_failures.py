"""A database that refuses to write is ours to fix: nothing is lost, and the offices are watched on."""

from pathlib import Path

import anyio
import pytest

from oddaemon.core.failures.failure import FailureKind
from oddaemon.core.model import Condition, Owner, Reader
from oddaemon.engine.config.active_config import ReloadTrigger
from oddaemon.store.errors import StoreError
from tests.engine.night import SMALL, SMILE, make_office_settings, night, time_after_start
from tests.engine.world import World


async def read_only(world: World, *, on: bool) -> None:
    """The database refuses, or takes again, whatever is to be written."""
    await world.database.execute_one(f"PRAGMA query_only = {'ON' if on else 'OFF'}")


@pytest.mark.slow("hours of virtual time")
async def test_a_snapshot_that_cannot_be_stored_is_read_again_until_it_can(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        previous = await world.read_balances()
        await read_only(world, on=True)
        await world.wait_for_condition(Condition.UNREACHABLE)
        assert world.assert_explained(Condition.UNREACHABLE, Owner.US, FailureKind.STORE)
        assert "disk" in world.get_status().advice
        await anyio.sleep(1200)
        assert set(world.list_failure_kinds()) == {"store"}
        assert await world.read_balances() == previous
        await read_only(world, on=False)
        await world.wait_for_snapshots(2)
        assert world.assert_explained(Condition.FRESH, None, "2026-03-03")
        assert await world.is_true()


async def test_a_page_that_cannot_be_stored_is_asked_for_again_and_no_other(tmp_path: Path) -> None:
    async with night(tmp_path, [SMILE], [make_office_settings(reader=Reader.PAGES)]) as world:
        await world.wait_for_event("page_stored", 2)
        await read_only(world, on=True)
        await world.wait_for_condition(Condition.UNREACHABLE)
        assert world.assert_explained(Condition.UNREACHABLE, Owner.US, FailureKind.STORE)
        await read_only(world, on=False)
        await world.wait_for_snapshots(1)
        assert len({heard.sql for heard in world.list_statements() if heard.is_page}) == 3
        assert world.find_events("pull_started")[-1]["resumed_rows"] == 200
        assert await world.is_true()


async def test_an_office_whose_state_cannot_be_stored_is_still_monitored(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        await read_only(world, on=True)
        await world.sleep_until(time_after_start(hours=1, minutes=10))
        assert set(world.list_failure_kinds()) == {"store"}
        assert len(world.list_requests(since=time_after_start(minutes=10))) > 4
        await read_only(world, on=False)
        await world.wait_for_snapshots(2)
        assert world.assert_explained(Condition.FRESH, None, "2026-03-03")
        assert await world.is_true()


async def test_a_reload_that_cannot_be_stored_changes_nothing(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        await read_only(world, on=True)
        with pytest.raises(StoreError):
            await world.daemon.configuration.apply(world.settings, trigger=ReloadTrigger.COMMAND)
        await read_only(world, on=False)
        await world.wait_for_snapshots(2)
        assert len(world.find_events("office_started")) == 1
        assert await world.is_true()
