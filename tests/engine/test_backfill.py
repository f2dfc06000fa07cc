"""Past days by the vendor's report: paced, resumable at the page, and never in the way of the night."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from oddaemon.admin.backfill_commands import BackfillCommands
from oddaemon.admin.commands import CommandRejected
from oddaemon.admin.office_commands import OfficeCommand
from oddaemon.core.backfill.job import BackfillTarget
from oddaemon.core.model import Balance, Condition, Reader
from oddaemon.core.snapshot.aging_report import count_report_requests
from oddaemon.settings import DaemonSettings
from oddaemon.simulator.api.messages import Endpoint
from oddaemon.simulator.faults.faults import GatewayError, KeyDisabled, OldVersion
from oddaemon.simulator.headquarters.options import HeadquartersOptions
from oddaemon.store import backfilled_days
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.engine.night import BEFORE_DAWN, DUE, SMALL, SMILE, night, office_settings, planted
from tests.engine.world import World
from tests.store.backfilled import read_backfilled_day

DAY = date(2026, 1, 31)


def desk(world: World) -> BackfillCommands:
    return world.daemon.admin.backfill


async def order(world: World, day: date = DAY, office_id: str = "smile") -> dict[str, Any]:
    (document,) = await ordered(world, BackfillTarget(office_id, day))
    return document


async def ordered(world: World, *days: BackfillTarget) -> list[dict[str, Any]]:
    return list((await desk(world).submit(days, 0))["backfills"])


async def listed(world: World) -> list[dict[str, Any]]:
    return list((await desk(world).list_jobs())["backfills"])


async def stages(world: World) -> dict[str, str]:
    return {each["as_of"]: each["stage"] for each in await listed(world)}


async def stored(world: World, day: date = DAY) -> list[Balance]:
    return read_backfilled_day(world.settings.state.database, "smile", day)[1]


def reported(world: World, day: date = DAY) -> list[tuple[int, ...]]:
    return sorted(tuple(line.to_true_balance(with_clinic=False)) for line in world.practice().get_aging_report(day))


def reports(world: World) -> int:
    return world.kinds().count(Endpoint.AGING_REPORT)


async def test_a_past_day_is_read_proved_and_stored_beside_the_snapshots(tmp_path: Path) -> None:
    async with night(tmp_path, [SMILE]) as world:
        await world.until_published(1)
        before = await world.balances()
        answer = await order(world)
        assert "about" in answer["outcome"]
        await world.until_said("backfill_published")
        assert [tuple(each) for each in await stored(world)] == reported(world)
        assert await world.balances() == before
        assert len(await world.history()) == 1
        assert reports(world) == count_report_requests(len(await stored(world)), 100)
        assert await stages(world) == {"2026-01-31": "done"}


async def test_it_goes_on_at_its_page_after_a_crash(tmp_path: Path) -> None:
    async with night(tmp_path, [SMILE]) as world:
        await world.until_published(1)
        await order(world)
        await world.until(lambda: reports(world) >= 3)
        await world.crash()
        await world.start()
        await world.until_said("backfill_published")
        assert [tuple(each) for each in await stored(world)] == reported(world)
        assert reports(world) <= count_report_requests(len(await stored(world)), 100) + 1


async def test_it_goes_on_at_its_page_after_a_stop_in_good_order(tmp_path: Path) -> None:
    """While the daemon drains nobody is at work at the office any more, which is still in the configuration."""
    async with night(tmp_path, [SMILE]) as world:
        await world.until_published(1)
        await ordered(world, BackfillTarget("smile", DAY), BackfillTarget("smile", DAY - timedelta(days=1)))
        await world.until(lambda: reports(world) >= 3)
        await world.drain()
        assert world.events("backfill_failed") == []
        before = reports(world)
        await world.start()
        await world.until_said("backfill_published", count=2)
        assert reports(world) - before < count_report_requests(len(reported(world)), 100) * 2


async def test_an_office_without_a_worker_keeps_its_order_and_says_so(tmp_path: Path) -> None:
    once = DaemonSettings(restarts_max=0, restarts_within_seconds=600)
    async with night(tmp_path, [SMALL], daemon=once, crashes=True) as world:
        await world.until_published(1)
        world.mines["smile"] = 1
        await world.until_is(Condition.BLOCKED)
        await order(world)
        assert "No worker runs for smile" in (await listed(world))[0]["reason"]
        await world.apply(world.settings)
        await world.until_said("backfill_published")


async def test_where_it_stands_is_known_after_a_restart(tmp_path: Path) -> None:
    async with night(tmp_path, [SMILE]) as world:
        await world.until_published(1)
        await order(world)
        await world.until(lambda: reports(world) >= 4)
        await world.crash()
        await world.start()
        await world.until(lambda: any(world.crew.backfill.iter_open_jobs()))
        (open_one,) = await listed(world)
        assert open_one["requests"] >= 3
        assert open_one["rows"] >= 300
        await world.until_said("backfill_published")
        (done,) = await listed(world)
        held = len(await stored(world))
        assert (done["rows"], done["requests"]) == (held, count_report_requests(held, 100))


async def test_ordered_again_while_it_is_read_a_day_goes_on_where_it_stands(tmp_path: Path) -> None:
    async with night(tmp_path, [SMILE]) as world:
        await world.until_published(1)
        await order(world)
        await world.until(lambda: reports(world) >= 4)
        again = await order(world)
        assert again["requests"] >= 3
        assert "is still open" in again["outcome"]
        await world.until_said("backfill_published")
        assert reports(world) == count_report_requests(len(await stored(world)), 100)
        assert len(world.events("backfill_requested")) == 1


async def test_an_order_is_cancelled_with_what_it_has_read(tmp_path: Path) -> None:
    earlier = DAY - timedelta(days=30)
    async with night(tmp_path, [SMILE]) as world:
        await world.until_published(1)
        await ordered(world, BackfillTarget("smile", DAY), BackfillTarget("smile", earlier))
        await world.until(lambda: reports(world) >= 2)
        assert "Waits for" in (await listed(world))[1]["reason"]
        answer = await desk(world).cancel("smile", [DAY], 0)
        assert str(DAY) in answer["outcome"]
        await world.until_said("backfill_published")
        assert await stages(world) == {str(DAY): "cancelled", str(earlier): "done"}
        assert (await listed(world))[0]["requests"] is None
        with pytest.raises(CommandRejected, match="smile has no open backfill"):
            await desk(world).cancel("smile", [], 0)
        async with SqliteDatabase.open_for_reading(world.settings.state.database) as database:
            assert ("smile", DAY) not in await backfilled_days.load_outcomes(database)


async def test_days_are_all_checked_before_any_is_ordered(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        with pytest.raises(CommandRejected, match="not past yet"):
            await ordered(world, BackfillTarget("smile", DAY), BackfillTarget("smile", date(2027, 1, 1)))
        assert await listed(world) == []


async def test_an_order_that_waits_for_the_night_says_so(tmp_path: Path) -> None:
    office = office_settings(reader=Reader.PAGES)
    async with night(tmp_path, [SMILE], [office]) as world:
        await world.until_said("pull_started")
        await order(world)
        await world.until_time(world.clock.now() + timedelta(seconds=2))
        (waiting,) = await listed(world)
        assert "nightly pull" in waiting["reason"]


async def test_the_nights_pull_comes_first(tmp_path: Path) -> None:
    office = office_settings(reader=Reader.PAGES)
    async with night(tmp_path, [SMILE], [office], options=HeadquartersOptions(report_seconds=20)) as world:
        await world.until_published(1)
        await world.until_time(DUE + timedelta(minutes=1))
        await order(world)
        await world.until_said("pull_started", count=2)
        await world.until_published(2)
        kinds = world.kinds(since=DUE)
        first, last = kinds.index(Endpoint.SHORT_QUERY), len(kinds) - 1 - kinds[::-1].index(Endpoint.SHORT_QUERY)
        assert kinds[first : last + 1].count(Endpoint.AGING_REPORT) <= 1, "but for the page that was under way"
        await world.until_said("backfill_published")


async def test_several_days_are_read_one_after_another_and_the_same_day_once(tmp_path: Path) -> None:
    days = [DAY, DAY - timedelta(days=30), DAY]
    async with night(tmp_path, [SMALL]) as world:
        await world.until_published(1)
        for day in days:
            await order(world, day)
        await world.until_said("backfill_published", count=2)
        await world.until_time(world.clock.now() + timedelta(minutes=5))
        assert await stages(world) == {day.isoformat(): "done" for day in sorted(set(days))}
        for day in set(days):
            assert [tuple(each) for each in await stored(world, day)] == reported(world, day)


async def test_ordered_again_a_day_is_read_again_and_replaces_what_was_there(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.until_published(1)
        for count in (1, 2):
            await order(world)
            await world.until_said("backfill_published", count=count)
        async with SqliteDatabase.open_for_reading(world.settings.state.database) as database:
            assert len(await backfilled_days.load_outcomes(database)) == 1


async def test_a_gateway_that_fails_is_asked_again_later(tmp_path: Path) -> None:
    fault = planted(GatewayError(), BEFORE_DAWN + timedelta(minutes=5), BEFORE_DAWN + timedelta(minutes=9))
    async with night(tmp_path, [SMALL], faults=[fault]) as world:
        await world.until_time(BEFORE_DAWN + timedelta(minutes=5))
        await order(world)
        await world.until_said("backfill_published")
        assert all(line["retry_at"] for line in world.events("backfill_failed"))


@pytest.mark.parametrize("fault", [KeyDisabled(), OldVersion()])
async def test_what_needs_a_human_ends_the_order_with_a_reason(tmp_path: Path, fault: KeyDisabled | OldVersion) -> None:
    late = planted(fault, BEFORE_DAWN + timedelta(minutes=5), BEFORE_DAWN + timedelta(minutes=20))
    async with night(tmp_path, [SMALL], faults=[late]) as world:
        await world.until_time(BEFORE_DAWN + timedelta(minutes=6))
        await order(world)
        await world.until_said("backfill_failed")
        assert await stages(world) == {"2026-01-31": "failed"}
        (line,) = world.events("backfill_failed")
        assert line["retry_at"] is None
        assert line["reason"].endswith(".")


async def test_a_paused_office_is_not_asked_for_past_days_either(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.until_published(1)
        off = replace(world.settings, offices=(office_settings(enabled=False),))
        await world.apply(off)
        await world.until_is(Condition.PAUSED)
        since = world.clock.now()
        assert "smile is disabled" in (await order(world))["outcome"]
        await world.until_time(since + timedelta(hours=1))
        assert world.exchanges(since=since) == []
        await world.apply(replace(world.settings, offices=(office_settings(),)))
        await world.until_said("backfill_published")


async def test_an_order_about_a_paused_office_says_so(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.until_published(1)
        await world.daemon.admin.commands.run_office_command(OfficeCommand.PAUSE, "smile", 0)
        await world.until_is(Condition.PAUSED)
        assert "`oddaemon office resume smile`" in (await order(world))["outcome"]
        assert "smile is paused" in (await listed(world))[0]["reason"]


async def test_an_office_that_goes_takes_its_order_with_it(tmp_path: Path) -> None:
    neighbour = replace(SMALL, office_id="neighbour", seed=3)
    async with night(tmp_path, [SMILE, neighbour]) as world:
        await world.until_published(1)
        await order(world)
        await world.until(lambda: reports(world) >= 2)
        await world.apply(replace(world.settings, offices=(office_settings("neighbour"),)))
        await world.until_said("backfill_failed")
        assert "not in the configuration" in world.events("backfill_failed")[0]["reason"]


async def test_an_error_of_ours_ends_the_order_and_nothing_else(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL], crashes=True) as world:
        await world.until_published(1)
        world.mines["smile"] = 1
        await order(world)
        await world.until_said("backfill_crashed")
        (crash,) = world.events("backfill_crashed")
        assert (crash["as_of"], crash["error"]) == (DAY.isoformat(), "ProgrammersError")
        (document,) = await listed(world)
        assert (document["stage"], "`backfill_crashed`" in document["reason"]) == ("failed", True)
        await order(world)
        await world.until_said("backfill_published")
        await world.until_published(2)


async def test_clinics_that_change_meanwhile_are_read_from_the_beginning(tmp_path: Path) -> None:
    spec = replace(SMALL, clinics=3)
    async with night(tmp_path, [spec], [office_settings(clinics=(1, 2, 3))]) as world:
        await world.until_published(1)
        await order(world)
        await world.until(lambda: reports(world) >= 5)
        await world.apply(replace(world.settings, offices=(office_settings(clinics=(1, 2)),)))
        await world.until_said("backfill_published")
        wanted = world.practice().get_aging_report(DAY)
        assert {balance.clinic_num for balance in await stored(world)} == {1, 2}
        assert len(await stored(world)) == sum(line.clinic_num in {1, 2} for line in wanted)


@pytest.mark.parametrize(
    ("day", "words"),
    [(date(2026, 3, 3), "not past yet"), (date(1970, 1, 1), "before 1980"), (date(2030, 1, 1), "past")],
)
async def test_a_day_that_cannot_be_had_is_refused(tmp_path: Path, day: date, words: str) -> None:
    async with night(tmp_path, [SMALL]) as world:
        with pytest.raises(CommandRejected, match=words):
            await order(world, day)
        with pytest.raises(CommandRejected, match="no office"):
            await order(world, DAY, "nobody")
