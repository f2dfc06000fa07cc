"""However the daemon ends, it ends in time, and everything that it had is there when it starts again."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from oddaemon.core.model import Condition, Reader
from oddaemon.settings import DaemonSettings
from oddaemon.simulator.headquarters.options import HeadquartersOptions
from oddaemon.simulator.virtual_time import make_virtual_loop
from tests.engine.night import SMALL, SMILE, make_office_settings, night
from tests.engine.world import World
from tests.golden import GoldenTexts

pytestmark = pytest.mark.event_loop(factory=make_virtual_loop)

SLOW = HeadquartersOptions(base_seconds=5)
PAGED = (make_office_settings(reader=Reader.PAGES),)


async def test_a_drain_lets_the_request_in_flight_finish_and_keeps_its_page(
    tmp_path: Path, golden: GoldenTexts
) -> None:
    async with night(tmp_path, [SMILE], PAGED, options=SLOW) as world:
        await world.wait_for_event("page_stored")
        await anyio.sleep(2)
        assert world.headquarters.in_flight == 1
        began = world.clock.now()
        await world.drain()
        assert world.clock.now() - began < timedelta(seconds=6)
        assert all(each.status == 200 for each in world.list_requests())
        assert len(world.find_events("page_stored")) == 2
        golden.check(world.find_events("office_stopped")[-1]["reason"])
        await world.start()
        await world.wait_for_snapshots(1)
        assert world.find_events("pull_started")[-1]["resumed_rows"] == 200
        assert world.assert_explained(Condition.FRESH, None)
        assert await world.is_true()


async def test_a_drain_publishes_a_statement_that_was_in_flight(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL], options=SLOW) as world:
        await world.wait_for_event("pull_started")
        await anyio.sleep(1.5)  # the key rests for one second first
        await world.drain()
        assert len(world.list_published()) == 1
        assert await world.is_true()


async def test_a_drain_does_not_wait_longer_than_it_may(tmp_path: Path) -> None:
    options, daemon = HeadquartersOptions(base_seconds=50), DaemonSettings(drain_seconds=3)
    async with night(tmp_path, [SMALL], options=options, daemon=daemon) as world:
        await anyio.sleep(10)
        began = world.clock.now()
        await world.drain()
        assert timedelta(seconds=3) <= world.clock.now() - began < timedelta(seconds=4)
        assert world.list_requests()[-1].status is None


async def test_a_drain_of_idle_offices_is_over_at_once(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_condition(Condition.FRESH)
        await anyio.sleep(10)
        began = world.clock.now()
        await world.drain()
        assert world.clock.now() == began
        assert not world.daemon.readiness.ready
        assert world.lines[-1]["event"] == "daemon_stopped"


async def test_a_drain_of_offices_that_wait_for_each_other_sends_nothing_more(tmp_path: Path) -> None:
    specs = [replace(SMALL, office_id=f"office-{number}", seed=number) for number in range(12)]
    async with night(tmp_path, specs, options=SLOW) as world:
        await anyio.sleep(3)
        sent = len(world.find_events("request_started", "office-0")) + world.headquarters.in_flight
        assert world.headquarters.in_flight == world.settings.api.max_in_flight
        await world.drain()
        assert len(world.headquarters.traffic) == world.settings.api.max_in_flight
        assert sent > 0
        assert all(each.status == 200 for each in world.headquarters.traffic)


async def test_a_stop_is_at_once(tmp_path: Path) -> None:
    async with night(tmp_path, [SMILE], PAGED, options=SLOW) as world:
        await world.wait_for_event("page_stored", 2)
        await anyio.sleep(2)
        began = world.clock.now()
        await world.stop()
        assert world.clock.now() == began
        assert world.lines[-1]["event"] == "daemon_stopped"
        await world.start()
        await world.wait_for_snapshots(1)
        assert world.find_events("pull_started")[-1]["resumed_rows"] == 200
        assert await world.is_true()


async def test_a_stop_cuts_a_drain_short(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL], options=HeadquartersOptions(base_seconds=50)) as world:
        await anyio.sleep(10)
        world.daemon.drain()
        await anyio.sleep(5)
        assert world.is_running
        began = world.clock.now()
        await world.stop()
        assert world.clock.now() == began


@pytest.mark.parametrize("seconds", [0.0, 0.3, 1.03, 3.1, 5.2])
async def test_a_drain_may_come_at_any_time_of_the_beginning(tmp_path: Path, seconds: float) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await anyio.sleep(seconds)
        await world.drain()
        await world.start()
        await world.wait_for_snapshots(1)
        assert await world.is_true()


@pytest.mark.parametrize("end", [World.drain, World.stop])
async def test_a_page_can_be_read_to_the_very_end(tmp_path: Path, end: Callable[[World], Awaitable[None]]) -> None:
    # The pages answer while the database is closed, and an error of ours would stand in the log.
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        pages, nights = world.daemon.view_builder, []

        async def read() -> None:
            while world.is_running:
                view = await pages.build_office("smile")
                assert view is not None
                nights.append(len(view.publications))
                await anyio.lowlevel.checkpoint()

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(read)
            while not nights:
                await anyio.lowlevel.checkpoint()
            await end(world)
        assert nights[0] == 1
        assert nights[-1] == 0
