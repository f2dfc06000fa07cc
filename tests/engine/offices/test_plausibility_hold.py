"""Balances that add up and are implausible: held, read a second time, and never lost."""

from datetime import timedelta
from pathlib import Path

import pytest

from oddaemon.admin.commands import CommandRejected
from oddaemon.core.failures.failure import FailureKind
from oddaemon.core.model import Condition, Owner
from oddaemon.core.office.state import OfficeCommand
from tests.engine.night import DUE, SMALL, night
from tests.engine.practice_activity import list_owing_families, post_charge, remove_guarantor
from tests.engine.world import World
from tests.golden import GoldenTexts

HOLD = timedelta(minutes=30)


def remove_all_guarantors(world: World) -> None:
    for family in list_owing_families(world.get_practice()):
        remove_guarantor(world.get_practice(), family)


async def test_a_suddenly_empty_office_is_read_twice_before_it_is_published(
    tmp_path: Path, golden: GoldenTexts
) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        await world.sleep_until(DUE - timedelta(minutes=5))
        remove_all_guarantors(world)
        await world.wait_for_condition(Condition.SUSPECT)
        assert world.assert_explained(Condition.SUSPECT, Owner.US)
        golden.check(world.get_status().reason)
        assert len(await world.read_balances()) == 40
        held_at = world.clock.now()
        (event,) = world.find_events("snapshot_held")
        assert (event["aging_date"], event["level"]) == ("2026-03-03", "warning")
        await world.wait_for_snapshots(2)
        assert HOLD <= world.clock.now() - held_at <= HOLD + timedelta(minutes=1)
        assert world.assert_explained(Condition.FRESH, None, "2026-03-03")
        assert len(await world.read_balances()) < 10
        assert await world.is_true()


async def test_a_typing_error_that_is_fixed_in_time_is_never_read(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        await world.sleep_until(DUE - timedelta(minutes=5))
        family = list_owing_families(world.get_practice())[0]
        post_charge(world.get_practice(), family, mills=10**9)
        await world.wait_for_condition(Condition.SUSPECT)
        post_charge(world.get_practice(), family, mills=-(10**9))
        await world.wait_for_snapshots(2)
        assert len(world.find_events("snapshot_held")) == 1
        assert max(balance.bal_total for balance in await world.read_balances()) < 10**8
        assert await world.is_true()


async def test_what_a_human_accepts_is_published_now(tmp_path: Path, golden: GoldenTexts) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        with pytest.raises(CommandRejected) as caught:
            await world.daemon.admin.commands.run_office_command(OfficeCommand.ACCEPT, "smile", None)
        golden.check(caught.value)
        with pytest.raises(CommandRejected, match="no office 'frown'"):
            await world.daemon.admin.commands.run_office_command(OfficeCommand.ACCEPT, "frown", None)
        await world.sleep_until(DUE - timedelta(minutes=5))
        remove_all_guarantors(world)
        await world.wait_for_condition(Condition.SUSPECT)
        golden.check(await world.daemon.admin.commands.run_office_command(OfficeCommand.ACCEPT, "smile", None))
        asked_at = world.clock.now()
        await world.wait_for_snapshots(2)
        assert world.clock.now() - asked_at < timedelta(seconds=10)


async def test_a_restart_in_between_does_not_believe_more_easily(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        await world.sleep_until(DUE - timedelta(minutes=5))
        remove_all_guarantors(world)
        await world.wait_for_condition(Condition.SUSPECT)
        held_at = world.clock.now()
        for _ in range(3):
            await world.crash()
            await world.start()
            assert world.assert_explained(Condition.SUSPECT, Owner.US, FailureKind.IMPLAUSIBLE)
        await world.wait_for_snapshots(2)
        assert world.clock.now() - held_at >= HOLD
