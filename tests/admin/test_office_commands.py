"""What people order: done at once or as soon as it can be, refused where it would do nothing, and written down."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from oddaemon.admin.commands import CommandRejected, RejectionKind
from oddaemon.core.model import Condition, Owner, Reader
from oddaemon.core.office.state import OfficeCommand
from oddaemon.simulator.headquarters.options import HeadquartersOptions
from tests.engine.night import DUE, SMALL, SMILE, make_office_settings, night, replace_offices
from tests.engine.world import World
from tests.golden import GoldenTexts

CONFLICT, NOTHING_TO_DO = RejectionKind.CONFLICT, RejectionKind.NOTHING_TO_DO
PAUSE, RESUME, SYNC = OfficeCommand.PAUSE, OfficeCommand.RESUME, OfficeCommand.SYNC
SLOW = HeadquartersOptions(base_seconds=2)


async def run_command(world: World, command: OfficeCommand) -> str:
    return await world.daemon.admin.commands.run_office_command(command, "smile", 1000)


async def assert_rejected(world: World, command: OfficeCommand, kind: RejectionKind, *texts: str) -> None:
    with pytest.raises(CommandRejected) as refusal:
        await run_command(world, command)
    assert refusal.value.kind is kind
    assert all(text in f"{refusal.value.sentence} {refusal.value.advice}" for text in texts), refusal.value


async def test_a_paused_office_is_asked_nothing_until_it_is_resumed(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        assert (await run_command(world, PAUSE)).startswith("Paused (survives a restart).")
        await world.wait_for_condition(Condition.PAUSED)
        assert world.assert_explained(Condition.PAUSED, Owner.US, "operator")
        asked = len(world.list_requests())
        await world.sleep_until(DUE + timedelta(hours=6))
        assert len(world.list_requests()) == asked
        await assert_rejected(world, PAUSE, NOTHING_TO_DO, "`oddaemon office resume smile`")
        await assert_rejected(world, SYNC, CONFLICT, "smile is paused", "`oddaemon office resume smile`")
        assert (await run_command(world, RESUME)).startswith("Resumed.")
        await world.wait_for_snapshots(2, within=timedelta(minutes=1))
        await assert_rejected(world, RESUME, NOTHING_TO_DO)


async def test_a_pause_outlives_a_crash_and_a_reload(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        await run_command(world, PAUSE)
        await world.wait_for_condition(Condition.PAUSED)
        await world.crash()
        await world.start()
        assert world.assert_explained(Condition.PAUSED, Owner.US, "operator")
        await world.apply(replace_offices(world.settings, (make_office_settings(fresh_by=None),)))
        await anyio.sleep(20_000)
        assert len(world.list_published()) == 1
        await run_command(world, RESUME)
        await world.wait_for_snapshots(2, within=timedelta(minutes=1))


async def test_a_command_during_a_pull_lets_it_end(tmp_path: Path) -> None:
    async with night(tmp_path, [SMILE], [make_office_settings(reader=Reader.PAGES)], options=SLOW) as world:
        await world.wait_for_event("page_stored")
        message = await run_command(world, PAUSE)
        assert message.startswith("Paused as soon")
        await world.wait_for_condition(Condition.PAUSED)
        assert len(world.list_published()) == 1
        assert all(each.status == 200 for each in world.list_requests())


async def test_no_command_is_lost_with_its_worker(tmp_path: Path) -> None:
    offices = (make_office_settings(reader=Reader.PAGES),)
    async with night(tmp_path, [SMILE], offices, options=SLOW) as world:
        await world.wait_for_event("page_stored")
        await run_command(world, PAUSE)
        await world.apply(replace_offices(world.settings, (make_office_settings(reader=Reader.PAGES, fresh_by=None),)))
        await world.wait_for_condition(Condition.PAUSED)
        assert world.assert_explained(Condition.PAUSED, Owner.US, "operator")


async def test_commands_are_executed_in_order(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        for command in (PAUSE, RESUME, SYNC, PAUSE):
            world.daemon.fleet.offices["smile"].state = replace(world.get_state(), paused=command is RESUME)
            await run_command(world, command)
        await world.wait_for_condition(Condition.PAUSED)
        assert world.get_state().paused


async def test_a_sync_asks_at_once_and_leaves_what_is_fresh(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        await anyio.sleep(60)
        since = world.clock.now()
        assert "2026-03-02" in await run_command(world, SYNC)
        await anyio.sleep(10)
        assert len(world.list_requests(since=since)) >= 5
        assert len(world.list_published()) == 1


async def test_what_the_configuration_switched_off_stays_off(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL], [make_office_settings(enabled=False)]) as world:
        await world.wait_for_condition(Condition.PAUSED)
        for command in (PAUSE, RESUME, SYNC):
            await assert_rejected(world, command, CONFLICT, "disabled in the configuration")
        await world.crash()
        await world.start(replace_offices(world.settings, (make_office_settings(),)))
        await world.wait_for_snapshots(1)
        await run_command(world, PAUSE)
        await world.wait_for_condition(Condition.PAUSED)
        await world.apply(replace_offices(world.settings, (make_office_settings(enabled=False),)))
        await world.wait_until(lambda: "configuration" in world.get_status().reason)
        assert "`enabled = true`" in await run_command(world, RESUME)
        await anyio.sleep(1000)
        await world.apply(replace_offices(world.settings, (make_office_settings(),)))
        await world.wait_for_condition(Condition.FRESH, within=timedelta(minutes=1))


async def test_every_command_is_logged_with_its_user(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        await run_command(world, SYNC)
        await assert_rejected(world, RESUME, NOTHING_TO_DO)
        await run_command(world, PAUSE)
        await world.wait_for_condition(Condition.PAUSED)
        await assert_rejected(world, PAUSE, NOTHING_TO_DO)
        await assert_rejected(world, SYNC, CONFLICT)
        with pytest.raises(CommandRejected, match="no office 'smil'") as unknown:
            await world.daemon.admin.commands.run_office_command(SYNC, "smil", 1000)
        given = [(each["command"], each["uid"], each["rejected"]) for each in world.find_events("command_received")]
        assert given == [("sync", 1000, False), ("pause", 1000, False), ("sync", 1000, True)]
        needless = [(each["command"], each["uid"], each["level"]) for each in world.find_events("command_ignored")]
        assert needless == [("resume", 1000, "info"), ("pause", 1000, "info")]
        assert (unknown.value.kind, unknown.value.advice) == (RejectionKind.NOT_FOUND, "Did you mean `smile`?")


async def test_a_drain_is_what_sigterm_does_and_ends_the_commands(tmp_path: Path, golden: GoldenTexts) -> None:
    async with night(tmp_path, [SMILE], [make_office_settings(reader=Reader.PAGES)], options=SLOW) as world:
        await world.wait_for_event("page_stored")
        assert "within 70 s" in await world.daemon.admin.commands.drain(0)
        await assert_rejected(world, PAUSE, CONFLICT, "the daemon is stopping")
        with pytest.raises(CommandRejected) as caught:
            await world.daemon.admin.commands.drain(0)
        golden.check(caught.value)
        await world.wait_ended()
        assert [each["cause"] for each in world.find_events("daemon_draining")] == ["command"]
        assert all(each.status == 200 for each in world.list_requests())
