"""Balances that add up and are hard to believe: held, read a second time, and never lost."""

from datetime import timedelta
from pathlib import Path

import pytest

from oddaemon.admin.commands import CommandRejected
from oddaemon.admin.office_commands import OfficeCommand
from oddaemon.core.model import Condition, Owner
from tests.engine.front_desk import charge, owing, vanish
from tests.engine.night import DUE, SMALL, night
from tests.engine.world import World

HOLD = timedelta(minutes=30)


def empty(world: World) -> None:
    for family in owing(world.practice()):
        vanish(world.practice(), family)


async def test_an_office_that_is_suddenly_empty_is_read_twice_before_anybody_sees_it(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.until_published(1)
        await world.until_time(DUE - timedelta(minutes=5))
        empty(world)
        await world.until_is(Condition.SUSPECT)
        assert world.explains(Condition.SUSPECT, Owner.US, "the office's total moved by", "% since 2026-03-02")
        assert len(await world.balances()) == 40
        held_at = world.clock.now()
        (held,) = world.events("snapshot_held")
        assert (held["aging_date"], held["level"]) == ("2026-03-03", "warning")
        await world.until_published(2)
        assert HOLD <= world.clock.now() - held_at <= HOLD + timedelta(minutes=1)
        assert world.explains(Condition.FRESH, None, "2026-03-03")
        assert len(await world.balances()) < 10
        assert await world.is_true()


async def test_a_slip_of_the_pen_that_is_mended_in_time_is_never_seen(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.until_published(1)
        await world.until_time(DUE - timedelta(minutes=5))
        family = owing(world.practice())[0]
        charge(world.practice(), family, mills=10**9)
        await world.until_is(Condition.SUSPECT)
        charge(world.practice(), family, mills=-(10**9))
        await world.until_published(2)
        assert len(world.events("snapshot_held")) == 1
        assert max(balance.bal_total for balance in await world.balances()) < 10**8
        assert await world.is_true()


async def test_what_a_human_accepts_is_published_now(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.until_published(1)
        with pytest.raises(CommandRejected, match="Nothing of smile is held back"):
            await world.daemon.commands.run_office_command(OfficeCommand.ACCEPT, "smile", None)
        with pytest.raises(CommandRejected, match="no office 'frown'"):
            await world.daemon.commands.run_office_command(OfficeCommand.ACCEPT, "frown", None)
        await world.until_time(DUE - timedelta(minutes=5))
        empty(world)
        await world.until_is(Condition.SUSPECT)
        assert (
            await world.daemon.commands.run_office_command(OfficeCommand.ACCEPT, "smile", None)
            == "The next reading is published as it is."
        )
        asked_at = world.clock.now()
        await world.until_published(2)
        assert world.clock.now() - asked_at < timedelta(seconds=10)


async def test_a_restart_in_between_does_not_believe_more_easily(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.until_published(1)
        await world.until_time(DUE - timedelta(minutes=5))
        empty(world)
        await world.until_is(Condition.SUSPECT)
        held_at = world.clock.now()
        for _ in range(3):
            await world.crash()
            await world.start()
            assert world.explains(Condition.SUSPECT, Owner.US, "hard to believe")
        await world.until_published(2)
        assert world.clock.now() - held_at >= HOLD
