"""Past days by the vendor's report: paced, resumable at the page, and never in the way of the night."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from oddaemon.admin.backfill_commands import BackfillCommands
from oddaemon.admin.commands import CommandRejected
from oddaemon.core.backfill.job import BackfillTarget
from oddaemon.core.model import Balance, Condition, Reader
from oddaemon.core.office.state import OfficeCommand
from oddaemon.core.snapshot.aging_report import count_report_requests
from oddaemon.settings import DaemonSettings
from oddaemon.simulator.api.messages import Endpoint
from oddaemon.simulator.faults.faults import GatewayError, KeyDisabled, OldVersion
from oddaemon.simulator.headquarters.options import HeadquartersOptions
from oddaemon.store import backfilled_days
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.engine.night import (
    BEFORE_DAWN,
    DUE,
    SMALL,
    SMILE,
    make_office_settings,
    night,
    replace_offices,
    schedule_fault,
)
from tests.engine.world import World
from tests.golden import GoldenTexts
from tests.store.backfilled import read_backfilled_day

DAY = date(2026, 1, 31)


def get_commands(world: World) -> BackfillCommands:
    return world.daemon.admin.backfill


async def start_job(world: World, day: date = DAY, office_id: str = "smile") -> dict[str, Any]:
    (document,) = await start_jobs(world, BackfillTarget(office_id, day))
    return document


async def start_jobs(world: World, *days: BackfillTarget) -> list[dict[str, Any]]:
    return list((await get_commands(world).submit(days, 0))["backfills"])


async def list_jobs(world: World) -> list[dict[str, Any]]:
    return list((await get_commands(world).list_jobs())["backfills"])


async def list_states(world: World) -> dict[str, str]:
    return {each["as_of"]: each["stage"] for each in await list_jobs(world)}


async def read_stored(world: World, day: date = DAY) -> list[Balance]:
    return read_backfilled_day(world.settings.state.database_url.reveal(), "smile", day)[1]


def read_report(world: World, day: date = DAY) -> list[tuple[int, ...]]:
    return sorted(tuple(line.to_true_balance(with_clinic=False)) for line in world.get_practice().get_aging_report(day))


def count_reports(world: World) -> int:
    return world.list_request_kinds().count(Endpoint.AGING_REPORT)


async def test_a_past_day_is_read_proved_and_stored_beside_the_snapshots(tmp_path: Path) -> None:
    async with night(tmp_path, [SMILE]) as world:
        await world.wait_for_snapshots(1)
        before = await world.read_balances()
        answer = await start_job(world)
        assert "about" in answer["outcome"]
        await world.wait_for_event("backfill_published")
        assert [tuple(each) for each in await read_stored(world)] == read_report(world)
        assert await world.read_balances() == before
        assert len(await world.read_history()) == 1
        assert count_reports(world) == count_report_requests(len(await read_stored(world)), 100)
        assert await list_states(world) == {"2026-01-31": "done"}


async def test_it_goes_on_at_its_page_after_a_crash(tmp_path: Path) -> None:
    async with night(tmp_path, [SMILE]) as world:
        await world.wait_for_snapshots(1)
        await start_job(world)
        await world.wait_until(lambda: count_reports(world) >= 3)
        await world.crash()
        await world.start()
        await world.wait_for_event("backfill_published")
        assert [tuple(each) for each in await read_stored(world)] == read_report(world)
        assert count_reports(world) <= count_report_requests(len(await read_stored(world)), 100) + 1


async def test_it_goes_on_at_its_page_after_a_stop_in_good_order(tmp_path: Path) -> None:
    """While the daemon drains, an office that is still in the configuration has no worker any more."""
    async with night(tmp_path, [SMILE]) as world:
        await world.wait_for_snapshots(1)
        await start_jobs(world, BackfillTarget("smile", DAY), BackfillTarget("smile", DAY - timedelta(days=1)))
        await world.wait_until(lambda: count_reports(world) >= 3)
        await world.drain()
        assert world.find_events("backfill_failed") == []
        before = count_reports(world)
        await world.start()
        await world.wait_for_event("backfill_published", count=2)
        assert count_reports(world) - before < count_report_requests(len(read_report(world)), 100) * 2


async def test_an_office_without_a_worker_keeps_its_job_and_says_so(tmp_path: Path, golden: GoldenTexts) -> None:
    once = DaemonSettings(restarts_max=0, restarts_within_seconds=600)
    async with night(tmp_path, [SMALL], daemon=once, crashes=True) as world:
        await world.wait_for_snapshots(1)
        world.injected_crashes["smile"] = 1
        await world.wait_for_condition(Condition.BLOCKED)
        await start_job(world)
        golden.check((await list_jobs(world))[0]["reason"])
        await world.apply(world.settings)
        await world.wait_for_event("backfill_published")


async def test_progress_is_known_after_a_restart(tmp_path: Path) -> None:
    async with night(tmp_path, [SMILE]) as world:
        await world.wait_for_snapshots(1)
        await start_job(world)
        await world.wait_until(lambda: count_reports(world) >= 4)
        await world.crash()
        await world.start()
        await world.wait_until(lambda: any(world.services.backfill.iter_open_jobs()))
        (open_one,) = await list_jobs(world)
        assert open_one["requests"] >= 3
        assert open_one["rows"] >= 300
        await world.wait_for_event("backfill_published")
        (done,) = await list_jobs(world)
        stored_count = len(await read_stored(world))
        assert (done["rows"], done["requests"]) == (stored_count, count_report_requests(stored_count, 100))


async def test_a_day_requested_again_while_it_is_read_continues(tmp_path: Path) -> None:
    async with night(tmp_path, [SMILE]) as world:
        await world.wait_for_snapshots(1)
        await start_job(world)
        await world.wait_until(lambda: count_reports(world) >= 4)
        again = await start_job(world)
        assert again["requests"] >= 3
        assert "is still open" in again["outcome"]
        await world.wait_for_event("backfill_published")
        assert count_reports(world) == count_report_requests(len(await read_stored(world)), 100)
        assert len(world.find_events("backfill_requested")) == 1


async def test_a_job_is_cancelled_with_its_rows(tmp_path: Path, golden: GoldenTexts) -> None:
    earlier = DAY - timedelta(days=30)
    async with night(tmp_path, [SMILE]) as world:
        await world.wait_for_snapshots(1)
        await start_jobs(world, BackfillTarget("smile", DAY), BackfillTarget("smile", earlier))
        await world.wait_until(lambda: count_reports(world) >= 2)
        assert "Waits for" in (await list_jobs(world))[1]["reason"]
        answer = await get_commands(world).cancel("smile", [DAY], 0)
        assert str(DAY) in answer["outcome"]
        await world.wait_for_event("backfill_published")
        assert await list_states(world) == {str(DAY): "cancelled", str(earlier): "done"}
        assert (await list_jobs(world))[0]["requests"] is None
        with pytest.raises(CommandRejected) as caught:
            await get_commands(world).cancel("smile", [], 0)
        golden.check(caught.value)
        async with SqliteDatabase.open_for_reading(world.settings.state.database_url.reveal()) as database:
            assert ("smile", DAY) not in await backfilled_days.load_outcomes(database)


async def test_all_days_are_checked_before_any_job_starts(tmp_path: Path, golden: GoldenTexts) -> None:
    async with night(tmp_path, [SMALL]) as world:
        with pytest.raises(CommandRejected) as caught:
            await start_jobs(world, BackfillTarget("smile", DAY), BackfillTarget("smile", date(2027, 1, 1)))
        golden.check(caught.value)
        assert await list_jobs(world) == []


async def test_a_job_that_waits_for_the_night_says_so(tmp_path: Path) -> None:
    office = make_office_settings(reader=Reader.PAGES)
    async with night(tmp_path, [SMILE], [office]) as world:
        await world.wait_for_event("pull_started")
        await start_job(world)
        await world.sleep_until(world.clock.now() + timedelta(seconds=2))
        (waiting,) = await list_jobs(world)
        assert "nightly pull" in waiting["reason"]


async def test_the_nights_pull_comes_first(tmp_path: Path) -> None:
    office = make_office_settings(reader=Reader.PAGES)
    async with night(tmp_path, [SMILE], [office], options=HeadquartersOptions(report_seconds=20)) as world:
        await world.wait_for_snapshots(1)
        await world.sleep_until(DUE + timedelta(minutes=1))
        await start_job(world)
        await world.wait_for_event("pull_started", count=2)
        await world.wait_for_snapshots(2)
        kinds = world.list_request_kinds(since=DUE)
        first, last = kinds.index(Endpoint.SHORT_QUERY), len(kinds) - 1 - kinds[::-1].index(Endpoint.SHORT_QUERY)
        assert kinds[first : last + 1].count(Endpoint.AGING_REPORT) <= 1, "but for the page that was under way"
        await world.wait_for_event("backfill_published")


async def test_several_days_are_read_one_after_another_and_the_same_day_once(tmp_path: Path) -> None:
    days = [DAY, DAY - timedelta(days=30), DAY]
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        for day in days:
            await start_job(world, day)
        await world.wait_for_event("backfill_published", count=2)
        await world.sleep_until(world.clock.now() + timedelta(minutes=5))
        assert await list_states(world) == {day.isoformat(): "done" for day in sorted(set(days))}
        for day in set(days):
            assert [tuple(each) for each in await read_stored(world, day)] == read_report(world, day)


async def test_a_finished_day_requested_again_is_read_again_and_replaced(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        for count in (1, 2):
            await start_job(world)
            await world.wait_for_event("backfill_published", count=count)
        async with SqliteDatabase.open_for_reading(world.settings.state.database_url.reveal()) as database:
            assert len(await backfilled_days.load_outcomes(database)) == 1


async def test_a_gateway_that_fails_is_asked_again_later(tmp_path: Path) -> None:
    fault = schedule_fault(GatewayError(), BEFORE_DAWN + timedelta(minutes=5), BEFORE_DAWN + timedelta(minutes=9))
    async with night(tmp_path, [SMALL], faults=[fault]) as world:
        await world.sleep_until(BEFORE_DAWN + timedelta(minutes=5))
        await start_job(world)
        await world.wait_for_event("backfill_published")
        assert all(line["retry_at"] for line in world.find_events("backfill_failed"))


@pytest.mark.parametrize("fault", [KeyDisabled(), OldVersion()])
async def test_a_permanent_failure_ends_the_job_with_a_reason(tmp_path: Path, fault: KeyDisabled | OldVersion) -> None:
    late = schedule_fault(fault, BEFORE_DAWN + timedelta(minutes=5), BEFORE_DAWN + timedelta(minutes=20))
    async with night(tmp_path, [SMALL], faults=[late]) as world:
        await world.sleep_until(BEFORE_DAWN + timedelta(minutes=6))
        await start_job(world)
        await world.wait_for_event("backfill_failed")
        assert await list_states(world) == {"2026-01-31": "failed"}
        (line,) = world.find_events("backfill_failed")
        assert line["retry_at"] is None
        assert line["reason"].endswith(".")


async def test_a_paused_office_is_not_asked_for_past_days_either(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        off = replace_offices(world.settings, (make_office_settings(enabled=False),))
        await world.apply(off)
        await world.wait_for_condition(Condition.PAUSED)
        since = world.clock.now()
        assert "smile is disabled" in (await start_job(world))["outcome"]
        await world.sleep_until(since + timedelta(hours=1))
        assert world.list_requests(since=since) == []
        await world.apply(replace_offices(world.settings, (make_office_settings(),)))
        await world.wait_for_event("backfill_published")


async def test_a_job_of_a_paused_office_says_so(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        await world.daemon.admin.commands.run_office_command(OfficeCommand.PAUSE, "smile", 0)
        await world.wait_for_condition(Condition.PAUSED)
        assert "`oddaemon office resume smile`" in (await start_job(world))["outcome"]
        assert "smile is paused" in (await list_jobs(world))[0]["reason"]


async def test_a_removed_office_takes_its_job_with_it(tmp_path: Path, golden: GoldenTexts) -> None:
    neighbour = replace(SMALL, office_id="neighbour", seed=3)
    async with night(tmp_path, [SMILE, neighbour]) as world:
        await world.wait_for_snapshots(1)
        await start_job(world)
        await world.wait_until(lambda: count_reports(world) >= 2)
        await world.apply(replace_offices(world.settings, (make_office_settings("neighbour"),)))
        await world.wait_for_event("backfill_failed")
        golden.check(world.find_events("backfill_failed")[0]["reason"])


async def test_a_crash_ends_the_job_and_nothing_else(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL], crashes=True) as world:
        await world.wait_for_snapshots(1)
        world.injected_crashes["smile"] = 1
        await start_job(world)
        await world.wait_for_event("backfill_crashed")
        (crash,) = world.find_events("backfill_crashed")
        assert (crash["as_of"], crash["error"]) == (DAY.isoformat(), "InjectedCrash")
        (document,) = await list_jobs(world)
        assert (document["stage"], "`backfill_crashed`" in document["reason"]) == ("failed", True)
        await start_job(world)
        await world.wait_for_event("backfill_published")
        await world.wait_for_snapshots(2)


async def test_clinics_that_change_meanwhile_are_read_from_the_beginning(tmp_path: Path) -> None:
    spec = replace(SMALL, clinics=3)
    async with night(tmp_path, [spec], [make_office_settings(clinics=(1, 2, 3))]) as world:
        await world.wait_for_snapshots(1)
        await start_job(world)
        await world.wait_until(lambda: count_reports(world) >= 5)
        await world.apply(replace_offices(world.settings, (make_office_settings(clinics=(1, 2)),)))
        await world.wait_for_event("backfill_published")
        wanted = world.get_practice().get_aging_report(DAY)
        assert {balance.clinic_num for balance in await read_stored(world)} == {1, 2}
        assert len(await read_stored(world)) == sum(line.clinic_num in {1, 2} for line in wanted)


@pytest.mark.parametrize(
    ("day", "text"),
    [(date(2026, 3, 3), "not in the past"), (date(1970, 1, 1), "before 1980"), (date(2030, 1, 1), "past")],
)
async def test_a_day_that_cannot_be_had_is_refused(tmp_path: Path, day: date, text: str) -> None:
    async with night(tmp_path, [SMALL]) as world:
        with pytest.raises(CommandRejected, match=text):
            await start_job(world, day)
        with pytest.raises(CommandRejected, match="no office"):
            await start_job(world, DAY, "absent")
