"""What people order: done at once or as soon as it can be, refused where it would do nothing, and written down."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from oddaemon.admin.commands import CommandRejected, RejectionKind
from oddaemon.admin.office_commands import OfficeCommand
from oddaemon.core.model import Condition, Owner, Reader
from oddaemon.simulator.headquarters.options import HeadquartersOptions
from tests.engine.night import DUE, SMALL, SMILE, night, office_settings
from tests.engine.world import World

CONFLICT, NOTHING_TO_DO = RejectionKind.CONFLICT, RejectionKind.NOTHING_TO_DO
PAUSE, RESUME, SYNC = OfficeCommand.PAUSE, OfficeCommand.RESUME, OfficeCommand.SYNC
SLOW = HeadquartersOptions(base_seconds=2)


async def ordered(world: World, order: OfficeCommand) -> str:
    return await world.daemon.commands.run_office_command(order, "smile", 1000)


async def refused(world: World, order: OfficeCommand, kind: RejectionKind, *words: str) -> None:
    with pytest.raises(CommandRejected) as refusal:
        await ordered(world, order)
    assert refusal.value.kind is kind
    assert all(word in f"{refusal.value.sentence} {refusal.value.advice}" for word in words), refusal.value


async def test_a_paused_office_is_asked_nothing_until_it_is_resumed(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.until_published(1)
        assert (await ordered(world, PAUSE)).startswith("Paused (survives a restart).")
        await world.until_is(Condition.PAUSED)
        assert world.explains(Condition.PAUSED, Owner.US, "order")
        asked = len(world.exchanges())
        await world.until_time(DUE + timedelta(hours=6))
        assert len(world.exchanges()) == asked
        await refused(world, PAUSE, NOTHING_TO_DO, "`oddaemon office resume smile`")
        await refused(world, SYNC, CONFLICT, "smile is paused", "`oddaemon office resume smile`")
        assert (await ordered(world, RESUME)).startswith("Resumed.")
        await world.until_published(2, within=timedelta(minutes=1))
        await refused(world, RESUME, NOTHING_TO_DO)


async def test_a_pause_outlives_a_crash_and_a_reload(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.until_published(1)
        await ordered(world, PAUSE)
        await world.until_is(Condition.PAUSED)
        await world.crash()
        await world.start()
        assert world.explains(Condition.PAUSED, Owner.US, "order")
        await world.apply(replace(world.settings, offices=(office_settings(fresh_by=None),)))
        await anyio.sleep(20_000)
        assert len(world.published()) == 1
        await ordered(world, RESUME)
        await world.until_published(2, within=timedelta(minutes=1))


async def test_an_order_in_the_middle_of_a_pull_lets_it_end(tmp_path: Path) -> None:
    async with night(tmp_path, [SMILE], [office_settings(reader=Reader.PAGES)], options=SLOW) as world:
        await world.until_said("page_stored")
        told = await ordered(world, PAUSE)
        assert told.startswith("Paused as soon as its current action has ended")
        await world.until_is(Condition.PAUSED)
        assert len(world.published()) == 1
        assert all(each.status == 200 for each in world.exchanges())


async def test_no_order_is_lost_with_the_worker_that_was_told(tmp_path: Path) -> None:
    offices = (office_settings(reader=Reader.PAGES),)
    async with night(tmp_path, [SMILE], offices, options=SLOW) as world:
        await world.until_said("page_stored")
        await ordered(world, PAUSE)
        await world.apply(replace(world.settings, offices=(office_settings(reader=Reader.PAGES, fresh_by=None),)))
        await world.until_is(Condition.PAUSED)
        assert world.explains(Condition.PAUSED, Owner.US, "order")


async def test_orders_are_obeyed_in_turn(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.until_published(1)
        for order in (PAUSE, RESUME, SYNC, PAUSE):
            world.daemon.fleet.offices["smile"].state = replace(world.state(), paused=order is RESUME)
            await ordered(world, order)
        await world.until_is(Condition.PAUSED)
        assert world.state().paused


async def test_a_sync_asks_at_once_and_leaves_what_is_fresh(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.until_published(1)
        await anyio.sleep(60)
        since = world.clock.now()
        assert "2026-03-02" in await ordered(world, SYNC)
        await anyio.sleep(10)
        assert len(world.exchanges(since=since)) >= 5
        assert len(world.published()) == 1


async def test_what_the_configuration_switched_off_stays_off(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL], [office_settings(enabled=False)]) as world:
        await world.until_is(Condition.PAUSED)
        for order in (PAUSE, RESUME, SYNC):
            await refused(world, order, CONFLICT, "disabled in the configuration")
        await world.crash()
        await world.start(replace(world.settings, offices=(office_settings(),)))
        await world.until_published(1)
        await ordered(world, PAUSE)
        await world.until_is(Condition.PAUSED)
        await world.apply(replace(world.settings, offices=(office_settings(enabled=False),)))
        await world.until(lambda: "configuration" in world.standing().reason)
        assert "`enabled = true`" in await ordered(world, RESUME)
        await anyio.sleep(1000)
        await world.apply(replace(world.settings, offices=(office_settings(),)))
        await world.until_is(Condition.FRESH, within=timedelta(minutes=1))


async def test_every_order_is_written_down_with_who_gave_it(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.until_published(1)
        await ordered(world, SYNC)
        await refused(world, RESUME, NOTHING_TO_DO)
        await ordered(world, PAUSE)
        await world.until_is(Condition.PAUSED)
        await refused(world, PAUSE, NOTHING_TO_DO)
        await refused(world, SYNC, CONFLICT)
        with pytest.raises(CommandRejected, match="no office 'smil'") as unknown:
            await world.daemon.commands.run_office_command(SYNC, "smil", 1000)
        given = [(each["command"], each["uid"], each["rejected"]) for each in world.events("command_received")]
        assert given == [("sync", 1000, False), ("pause", 1000, False), ("sync", 1000, True)]
        needless = [(each["command"], each["uid"], each["level"]) for each in world.events("command_ignored")]
        assert needless == [("resume", 1000, "info"), ("pause", 1000, "info")]
        assert (unknown.value.kind, unknown.value.advice) == (RejectionKind.NOT_FOUND, "Did you mean `smile`?")


async def test_a_drain_is_what_sigterm_does_and_ends_taking_orders(tmp_path: Path) -> None:
    async with night(tmp_path, [SMILE], [office_settings(reader=Reader.PAGES)], options=SLOW) as world:
        await world.until_said("page_stored")
        assert "within 70 s" in await world.daemon.commands.drain(0)
        await refused(world, PAUSE, CONFLICT, "the daemon is stopping")
        with pytest.raises(CommandRejected, match="the daemon is stopping"):
            await world.daemon.commands.drain(0)
        await world.ended()
        assert [each["cause"] for each in world.events("daemon_draining")] == ["command"]
        assert all(each.status == 200 for each in world.exchanges())
