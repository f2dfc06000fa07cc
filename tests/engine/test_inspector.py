"""What the daemon tells of itself and its offices on the control socket."""

from pathlib import Path

import anyio
import pytest

from oddaemon.admin.commands import CommandRejected, RejectionKind
from oddaemon.admin.inspection import StatusService
from oddaemon.core.model import Condition
from tests.engine.night import DUE, SMALL, night
from tests.engine.world import World


def inspector(world: World) -> StatusService:
    return world.daemon.admin.status


async def test_an_office_is_told_with_its_last_pull_and_what_happened_to_it(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.until_published(2)
        told = await inspector(world).get_office("smile", 200)
        assert told["condition"] == Condition.FRESH
        assert told["timezone"] == "America/Los_Angeles"
        assert told["last_pull"] is not None
        assert told["last_pull"]["requests"] == 1
        assert told["snapshot"] is not None
        assert told["snapshot"]["aging_date"] == "2026-03-03"
        assert [entry["event"] for entry in told["journal"]][-2:] == ["condition_changed", "snapshot_published"]
        with pytest.raises(CommandRejected) as refused:
            await inspector(world).get_office("smil", 200)
        assert (refused.value.kind, "`smile`" in refused.value.advice) == (RejectionKind.NOT_FOUND, True)


async def test_the_daemon_counts_its_requests_and_those_in_flight(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.until_time(DUE)
        await world.until(lambda: world.headquarters.in_flight > 0)
        told = (await inspector(world).get_fleet())["daemon"]
        assert told is not None
        assert told["requests_in_flight"] == world.headquarters.in_flight == 1
        assert told["requests"] == len(world.exchanges()) + 1
        await world.until(lambda: world.headquarters.in_flight == 0)
        assert world.daemon.fleet.in_flight == 0


async def test_what_cannot_be_read_of_an_office_is_left_out_and_no_more(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.until_published(1)
        await anyio.sleep(60)
        await world.database.execute_one("UPDATE journal SET fields = 'x'")
        told = await inspector(world).get_office("smile", 5)
        assert told["snapshot"] is not None
        assert (told["last_pull"], told["journal"]) == (None, [])
        await world.database.execute_one("DELETE FROM journal")
