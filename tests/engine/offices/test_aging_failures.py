"""What an office's aging can do wrong, and what is said of it: nothing is published that no run left behind."""

from dataclasses import replace
from datetime import date, time, timedelta
from pathlib import Path

import anyio

from oddaemon.core.failures.failure import FailureKind
from oddaemon.core.model import Cadence, Condition, Owner, Reader
from tests.engine.night import DUE, SMALL, SMILE, make_office_settings, night, replace_offices, time_after_start
from tests.golden import GoldenTexts

TONIGHT = date(2026, 3, 3)


async def test_an_office_without_automation_is_blocked_and_what_it_has_is_published(
    tmp_path: Path, golden: GoldenTexts
) -> None:
    async with night(tmp_path, [replace(SMALL, service_time_due=None)]) as world:
        await world.wait_for_condition(Condition.BLOCKED)
        assert world.assert_explained(Condition.BLOCKED, Owner.OFFICE, "2026-03-02")
        golden.check(world.get_status().reason)
        golden.check(world.get_status().advice)
        assert len(world.list_published()) == 1
        await world.sleep_until(time_after_start(hours=8))
        await world.get_practice().aging.run()
        await world.wait_for_snapshots(2, within=timedelta(hours=1))
        assert world.list_published()[1]["aging_date"] == "2026-03-03"
        assert world.assert_explained(Condition.FRESH, Owner.OFFICE, "2026-03-03")
        golden.check(world.get_status().reason)
        assert await world.is_true()


async def test_an_office_that_switches_automation_on_is_fresh_the_next_night(tmp_path: Path) -> None:
    async with night(tmp_path, [replace(SMALL, service_time_due=None)]) as world:
        await world.wait_for_condition(Condition.BLOCKED)
        world.get_practice().set_preference("AgingServiceTimeDue", "2020-01-01 03:00:00")
        await world.wait_for_snapshots(2, within=timedelta(hours=3))
        assert world.assert_explained(Condition.FRESH, None, "2026-03-03")


async def test_an_office_that_never_aged_waits_and_is_published_after_its_first_run(
    tmp_path: Path, golden: GoldenTexts
) -> None:
    async with night(tmp_path, [replace(SMALL, last_aging="never")]) as world:
        await world.sleep_until(time_after_start(minutes=30))
        assert world.assert_explained(Condition.WAITING, None, "02:00")
        golden.check(world.get_status().reason)
        assert world.list_statements() == []
        await world.wait_for_snapshots(1)
        assert world.clock.now() < DUE + timedelta(minutes=5)
        assert world.assert_explained(Condition.FRESH, None, "2026-03-03")
        assert await world.is_true()


async def test_an_old_version_that_ages_once_a_month_is_fresh_with_a_date_weeks_old(tmp_path: Path) -> None:
    spec = replace(SMALL, monthly=True, program_version="21.4.20.0", last_aging=date(2026, 2, 1))
    async with night(tmp_path, [spec]) as world:
        await world.wait_for_condition(Condition.FRESH)
        assert world.assert_explained(Condition.FRESH, None, "once a month", "2026-02-01")
        await world.sleep_until(time_after_start(hours=30))
        assert world.assert_explained(Condition.FRESH, None, "once a month")
        assert len(world.list_published()) == 1
        assert await world.is_true()


async def test_a_run_that_starts_late_but_within_its_hour_is_waited_for(tmp_path: Path) -> None:
    async with night(tmp_path, [replace(SMALL, start_delay_seconds=3300)]) as world:
        await world.sleep_until(DUE + timedelta(minutes=50))
        assert world.assert_explained(Condition.AGING, None, "due since 02:00", "2026-03-02")
        await world.wait_for_snapshots(2)
        assert world.clock.now() < DUE + timedelta(minutes=62)
        assert world.assert_explained(Condition.FRESH, None, "2026-03-03")


async def test_a_run_that_missed_its_hour_is_late_and_the_office_must_act(tmp_path: Path, golden: GoldenTexts) -> None:
    async with night(tmp_path, [replace(SMALL, start_delay_seconds=5400)]) as world:
        await world.wait_for_condition(Condition.LATE)
        assert DUE + timedelta(hours=1) < world.clock.now() < DUE + timedelta(hours=1, minutes=15)
        assert world.assert_explained(Condition.LATE, Owner.OFFICE, "02:00", "2026-03-02")
        golden.check(world.get_status().reason)
        assert "Open Dental Service" in world.get_status().advice
        await world.sleep_until(time_after_start(hours=4))
        await world.get_practice().aging.run()
        await world.wait_for_snapshots(2, within=timedelta(minutes=20))
        assert world.assert_explained(Condition.FRESH, None, "2026-03-03")
        assert world.list_published()[1]["late_by_seconds"] > 0
        assert await world.is_true()


async def test_a_run_still_going_at_the_deadline_is_late(tmp_path: Path) -> None:
    office = make_office_settings(fresh_by=time(3, 0))
    async with night(tmp_path, [replace(SMALL, run_seconds=10_000)], [office]) as world:
        await world.wait_for_condition(Condition.LATE)
        assert world.clock.now() == DUE + timedelta(hours=1)
        assert world.assert_explained(Condition.LATE, None, "running since 02:00")
        await world.wait_for_snapshots(2)
        assert world.list_published()[1]["late_by_seconds"] > 6000


async def test_an_office_without_a_deadline_is_never_late(tmp_path: Path, golden: GoldenTexts) -> None:
    async with night(
        tmp_path, [replace(SMALL, start_delay_seconds=5400)], [make_office_settings(fresh_by=None)]
    ) as world:
        await world.sleep_until(time_after_start(hours=4))
        assert world.assert_explained(Condition.WAITING, Owner.OFFICE)
        golden.check(world.get_status().reason)


async def test_a_crash_that_left_its_lock_blocks_and_its_mixture_is_never_published(
    tmp_path: Path, golden: GoldenTexts
) -> None:
    cadence = Cadence(stuck_after_seconds=5400)
    async with night(tmp_path, [replace(SMALL, crashes=(TONIGHT,))], cadence=cadence) as world:
        await world.wait_for_snapshots(1)
        previous = await world.read_balances()
        await world.sleep_until(DUE + timedelta(minutes=30))
        assert world.assert_explained(Condition.AGING, None, "running since 02:00")
        await world.wait_for_condition(Condition.BLOCKED)
        assert world.clock.now() < DUE + timedelta(hours=1, minutes=32)
        assert world.assert_explained(Condition.BLOCKED, Owner.OFFICE)
        golden.check(world.get_status().reason)
        golden.check(world.get_status().advice)
        assert await world.read_balances() == previous
        # Newer versions run over a lock that is a day old.
        await world.wait_for_snapshots(2)
        assert world.list_published()[1]["aging_date"] == "2026-03-04"
        assert world.assert_explained(Condition.FRESH, None, "2026-03-04")
        assert await world.is_true()


async def test_before_22_2_a_lock_cleared_by_hand_does_not_make_the_mixture_true(
    tmp_path: Path, golden: GoldenTexts
) -> None:
    async with night(tmp_path, [replace(SMALL, crashes=(TONIGHT,), program_version="22.1.9.0")]) as world:
        await world.sleep_until(DUE + timedelta(hours=1))
        world.get_practice().set_preference("AgingBeginDateTime", "")
        await world.sleep_until(DUE + timedelta(hours=2))
        assert world.assert_explained(Condition.LATE, Owner.OFFICE)
        golden.check(world.get_status().reason)
        assert len(world.list_published()) == 1
        await world.get_practice().aging.run()
        await world.wait_for_snapshots(2, within=timedelta(minutes=20))
        assert world.assert_explained(Condition.FRESH, None, "2026-03-03")
        assert await world.is_true()


async def test_an_old_version_stays_blocked_until_the_lock_is_cleared(tmp_path: Path, golden: GoldenTexts) -> None:
    spec = replace(SMALL, crashes=(TONIGHT,), program_version="22.1.9.0")
    async with night(tmp_path, [spec], cadence=Cadence(stuck_after_seconds=1800)) as world:
        await world.sleep_until(time_after_start(hours=27))
        assert world.assert_explained(Condition.BLOCKED, Owner.OFFICE)
        golden.check(world.get_status().reason)
        assert len(world.list_published()) == 1
        world.get_practice().set_preference("AgingBeginDateTime", "")
        await world.get_practice().aging.run()
        await world.wait_for_snapshots(2, within=timedelta(hours=1))
        assert await world.is_true()


async def test_an_old_version_that_zeroes_its_balances_first_is_not_read_in_between(tmp_path: Path) -> None:
    spec = replace(SMALL, program_version="22.1.9.0", run_seconds=3000)
    async with night(tmp_path, [spec], running=False) as world:
        await world.sleep_until(DUE + timedelta(minutes=10))
        await world.start()
        await world.sleep_until(DUE + timedelta(minutes=30))
        assert world.assert_explained(Condition.AGING, None, "running since 02:00")
        assert world.list_published() == []
        await world.wait_for_snapshots(1)
        assert world.list_published()[0]["aging_date"] == "2026-03-03"
        assert await world.is_true()


async def test_a_second_run_on_the_same_day_is_noticed_by_its_begin_and_published_again(tmp_path: Path) -> None:
    async with night(tmp_path, [replace(SMILE, run_seconds=2700)]) as world:
        await world.wait_for_snapshots(2)
        await world.sleep_until(time_after_start(hours=7))
        world.tasks.start_soon(world.get_practice().aging.run)
        await world.wait_for_condition(Condition.AGING)
        assert world.assert_explained(Condition.AGING, None, "running since 08:00")
        await world.wait_for_snapshots(3)
        assert [line["aging_date"] for line in world.list_published()] == ["2026-03-02", "2026-03-03", "2026-03-03"]
        assert world.list_published()[2]["changed"] > 0
        assert world.assert_explained(Condition.FRESH, None, "2026-03-03")
        assert await world.is_true()


async def test_a_run_that_starts_in_the_middle_of_a_pull_ends_it_and_is_pulled_instead(tmp_path: Path) -> None:
    base = DUE - timedelta(seconds=9)
    spec, office = replace(SMILE, guarantors=450), make_office_settings(reader=Reader.PAGES)
    async with night(tmp_path, [spec], [office], base=base) as world:
        await world.wait_for_event("page_stored")
        await world.wait_for_event("pull_rejected")
        assert world.clock.now() > DUE
        assert world.assert_explained(Condition.AGING, None, FailureKind.AGING_CHANGED)
        await world.wait_for_snapshots(1)
        assert world.list_published()[0]["aging_date"] == "2026-03-03"
        assert world.find_events("pull_started")[-1]["resumed_rows"] == 0
        assert await world.is_true()


async def test_a_run_dated_in_the_future_blocks_until_a_right_one(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        world.get_practice().set_preference("DateLastAging", "2031-01-01")
        await world.wait_for_condition(Condition.BLOCKED)
        assert world.assert_explained(Condition.BLOCKED, Owner.OFFICE, "future date 2031-01-01")
        assert len(world.list_published()) == 1
        await world.sleep_until(DUE + timedelta(hours=3))
        await world.get_practice().aging.run()
        await world.wait_for_snapshots(2, within=timedelta(hours=1))
        assert world.assert_explained(Condition.FRESH, None, "2026-03-03")
        assert await world.is_true()


async def test_a_preference_that_is_no_date_blocks_with_what_it_says(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        world.get_practice().set_preference("DateLastAging", "03/03/2026")
        await world.wait_for_condition(Condition.BLOCKED)
        assert world.assert_explained(Condition.BLOCKED, Owner.OFFICE, "cannot be parsed", "DateLastAging")
        world.get_practice().set_preference("DateLastAging", "2026-03-02")
        await world.wait_for_snapshots(2)
        assert world.assert_explained(Condition.FRESH, None, "2026-03-03")


async def test_the_first_probe_of_a_night_comes_when_the_last_run_took_so_long(tmp_path: Path) -> None:
    async with night(tmp_path, [replace(SMALL, run_seconds=1800)]) as world:
        await world.wait_for_snapshots(2)
        first_night = len([each for each in world.list_requests() if each.arrived > DUE])
        second_due = DUE + timedelta(days=1)
        await world.wait_for_snapshots(3)
        assert len(world.list_requests(since=second_due)) < first_night / 2
        assert world.clock.now() < second_due + timedelta(minutes=32)


async def test_a_disabled_office_is_paused_and_asked_nothing(tmp_path: Path, golden: GoldenTexts) -> None:
    async with night(tmp_path, [SMALL], [make_office_settings(enabled=False)]) as world:
        await world.wait_for_condition(Condition.PAUSED)
        assert world.assert_explained(Condition.PAUSED, Owner.US)
        golden.check(world.get_status().reason)
        await anyio.sleep(timedelta(days=2).total_seconds())
        assert world.headquarters.traffic == []
        await world.crash()
        await world.start(replace_offices(world.settings, (make_office_settings(),)))
        await world.wait_for_snapshots(1)
        assert world.assert_explained(Condition.FRESH, None)


async def test_quick_intervals_make_a_night_of_seconds(tmp_path: Path) -> None:
    cadence = Cadence(probe_seconds=0.5, late_probe_seconds=1, idle_probe_seconds=2, backoff_base_seconds=0.1)
    async with night(
        tmp_path,
        [replace(SMALL, run_seconds=5)],
        [make_office_settings(remote=False)],
        cadence=cadence,
        base=DUE - timedelta(seconds=3),
    ) as world:
        await world.wait_for_snapshots(2, within=timedelta(seconds=12))
        assert await world.is_true()
