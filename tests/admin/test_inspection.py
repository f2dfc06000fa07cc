"""What the daemon reports of itself and its offices on the control socket."""

from pathlib import Path

import anyio
import pytest

from oddaemon.admin.commands import CommandRejected, RejectionKind
from oddaemon.admin.inspection import StatusService
from oddaemon.core.model import Condition
from tests.engine.night import DUE, SMALL, night
from tests.engine.world import World


def get_status_service(world: World) -> StatusService:
    return world.daemon.admin.status


async def test_an_office_is_shown_with_its_last_pull_and_its_journal(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(2)
        document = await get_status_service(world).get_office("smile", 200)
        assert document["condition"] == Condition.FRESH
        assert document["timezone"] == "America/Los_Angeles"
        assert document["last_pull"] is not None
        assert document["last_pull"]["requests"] == 1
        assert document["snapshot"] is not None
        assert document["snapshot"]["aging_date"] == "2026-03-03"
        assert [entry["event"] for entry in document["journal"]][-2:] == ["condition_changed", "snapshot_published"]
        with pytest.raises(CommandRejected) as refused:
            await get_status_service(world).get_office("smil", 200)
        assert (refused.value.kind, "`smile`" in refused.value.advice) == (RejectionKind.NOT_FOUND, True)


async def test_the_daemon_counts_its_requests_and_those_in_flight(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.sleep_until(DUE)
        await world.wait_until(lambda: world.headquarters.in_flight > 0)
        document = (await get_status_service(world).get_fleet())["daemon"]
        assert document is not None
        assert document["requests_in_flight"] == world.headquarters.in_flight == 1
        assert document["requests"] == len(world.list_requests()) + 1
        await world.wait_until(lambda: world.headquarters.in_flight == 0)
        assert world.daemon.fleet.in_flight == 0


async def test_what_cannot_be_read_of_an_office_is_left_out_and_no_more(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        await anyio.sleep(60)
        await world.database.execute_one("UPDATE journal SET fields = 'x'")
        document = await get_status_service(world).get_office("smile", 5)
        assert (document["snapshot"] is not None, document["journal"]) == (True, [])
        await world.database.execute_one("DELETE FROM journal")
