"""A night in a practice, and everything that can be wrong with it."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import anyio
import pytest

from oddaemon.simulator.practice.aging_run import AgingInProgressError, AgingOutcome, AgingRun
from oddaemon.simulator.practice.practice import Practice
from tests.simulator.sample_practice import (
    VIRTUAL_BACKEND,
    living_practice,
    make_practice,
    read_balances,
    read_preference,
)

MINUTE = 60.0
HOUR = 3600.0
DAY = 24 * HOUR
TWO = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)  # 02:00 in Los Angeles


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return VIRTUAL_BACKEND


async def run_practice(seconds: float, **overrides: Any) -> Practice:
    """A practice that has lived so long, from ten to two on."""
    office = make_practice(**overrides)
    async with living_practice(office):
        await anyio.sleep(seconds)
    return office


async def test_the_nightly_run_starts_at_the_due_time_and_takes_its_time() -> None:
    office = await run_practice(HOUR, run_seconds=120)
    assert office.aging.runs == [
        AgingRun(TWO, TWO + timedelta(seconds=120), date(2026, 11, 22), AgingOutcome.COMPLETED)
    ]
    assert read_preference(office, "DateLastAging") == "2026-11-22"
    assert read_preference(office, "AgingBeginDateTime") == ""


async def test_a_run_changes_about_one_family_in_twelve_and_the_database_follows() -> None:
    office = make_practice(guarantors=2000)
    before = {balance.pat_num: balance for balance in office.balances.get_true_balances()}
    async with living_practice(office):
        await anyio.sleep(HOUR)
    after = {balance.pat_num: balance for balance in office.balances.get_true_balances()}
    changed = [number for number in before.keys() | after.keys() if before.get(number) != after.get(number)]
    assert 0.04 < len(changed) / len(before) < 0.14
    assert before.keys() - after.keys(), "some families pay everything every night"
    assert read_balances(office) == office.balances.get_true_balances()


async def test_a_reader_in_the_middle_of_a_run_before_22_2_sees_a_mixture_and_the_flag() -> None:
    office = make_practice(guarantors=400, run_seconds=100, program_version="22.1.9.0")
    async with living_practice(office):
        before = office.balances.get_true_balances()
        await anyio.sleep(10 * MINUTE + 50)
        middle = office.balances.get_true_balances()
        assert read_preference(office, "AgingBeginDateTime") == "2026-11-22 02:00:00"
        assert read_preference(office, "DateLastAging") == "2026-11-21"
        assert read_balances(office) == middle
        await anyio.sleep(47)
        assert (read_preference(office, "DateLastAging"), read_preference(office, "AgingBeginDateTime")) == (
            "2026-11-22",
            "2026-11-22 02:00:00",
        )
        assert office.balances.get_true_balances() not in (before, middle)
        written = office.balances.get_true_balances()
        await anyio.sleep(10)
    assert office.balances.get_true_balances() == written
    assert before != middle


async def test_the_state_after_a_run_is_true_from_its_last_write_on() -> None:
    office = await run_practice(HOUR, guarantors=400, run_seconds=100)
    interval = office.balances.find_true_interval(office.balances.get_true_balances())
    assert interval is not None
    assert TWO < interval[0] <= TWO + timedelta(seconds=90)


async def test_every_night_has_its_run() -> None:
    office = await run_practice(3 * DAY)
    assert [run.aging_date.day for run in office.aging.runs] == [22, 23, 24]


async def test_a_second_run_of_the_day_rewrites_balances_under_the_same_date() -> None:
    office = make_practice(guarantors=400)
    await office.aging.run()
    first = office.balances.get_true_balances()
    await office.aging.run()
    assert office.balances.get_true_balances() != first
    assert read_preference(office, "DateLastAging") == "2026-11-22"
    assert [run.outcome for run in office.aging.runs] == [AgingOutcome.COMPLETED] * 2


async def test_two_runs_at_a_time_are_refused() -> None:
    office = make_practice()
    async with living_practice(office):
        await anyio.sleep(11 * MINUTE)
        with pytest.raises(AgingInProgressError):
            await office.aging.run()


async def test_after_a_run_by_hand_the_service_has_nothing_to_do() -> None:
    office = make_practice()
    await office.aging.run()
    async with living_practice(office):
        await anyio.sleep(2 * HOUR)
    assert len(office.aging.runs) == 1


async def test_from_22_2_on_a_run_writes_all_balances_at_one_instant() -> None:
    office = make_practice(guarantors=400, run_seconds=100)
    async with living_practice(office):
        before = office.balances.get_true_balances()
        await anyio.sleep(10 * MINUTE + 89)
        assert office.balances.get_true_balances() == before
        await anyio.sleep(2)
        after = office.balances.get_true_balances()
        await anyio.sleep(10)
    assert before != after == office.balances.get_true_balances()


@pytest.mark.parametrize("rolls_back", [False, True])
async def test_from_22_2_on_a_run_that_fails_writes_nothing(*, rolls_back: bool) -> None:
    office = make_practice(guarantors=400, run_seconds=100)
    async with living_practice(office):
        before = office.balances.get_true_balances()
        await anyio.sleep(10 * MINUTE + 50)
        office.aging.abort(rolls_back=rolls_back)
        await anyio.sleep(HOUR)
    (run,) = office.aging.runs
    assert run.outcome is (AgingOutcome.ROLLED_BACK if rolls_back else AgingOutcome.CRASHED)
    assert office.balances.get_true_balances() == before
    assert read_preference(office, "AgingBeginDateTime") == ("" if rolls_back else "2026-11-22 02:00:00")
    assert read_preference(office, "DateLastAging") == "2026-11-21"


async def test_an_old_versions_run_cannot_be_rolled_back() -> None:
    office = make_practice(run_seconds=100, program_version="22.1.9.0")
    async with living_practice(office):
        await anyio.sleep(10 * MINUTE + 50)
        office.aging.abort(rolls_back=True)
        await anyio.sleep(HOUR)
    assert [run.outcome for run in office.aging.runs] == [AgingOutcome.COMPLETED]


@pytest.mark.parametrize("version", ["21.3.27.0", "25.4.48.0"])
async def test_aging_of_some_families_takes_the_lock_and_leaves_the_date(version: str) -> None:
    office = make_practice(guarantors=400, run_seconds=100, program_version=version, repeating_charges_time="09:00:00")
    async with living_practice(office):
        await anyio.sleep(7 * HOUR + 10 * MINUTE + 1)
        before = {balance.pat_num: balance for balance in office.balances.get_true_balances()}
        assert read_preference(office, "AgingBeginDateTime") == "2026-11-22 09:00:00"
        with pytest.raises(AgingInProgressError):
            await office.aging.run()
        with pytest.raises(AgingInProgressError):
            await office.aging.run_partial()
        await anyio.sleep(10)
        after = {balance.pat_num: balance for balance in office.balances.get_true_balances()}
    changed = [number for number in before.keys() | after.keys() if before.get(number) != after.get(number)]
    assert 0 < len(changed) <= 5
    assert read_preference(office, "AgingBeginDateTime") == ""
    assert read_preference(office, "DateLastAging") == "2026-11-22"
    assert len(office.aging.runs) == 1
    assert read_balances(office) == office.balances.get_true_balances()


async def test_the_nightly_run_waits_for_aging_of_some_families() -> None:
    office = make_practice(run_seconds=100, repeating_charges_time="01:59:58", partial_seconds=30.0)
    async with living_practice(office):
        await anyio.sleep(HOUR)
    (run,) = office.aging.runs
    assert run.started_at == TWO + timedelta(seconds=28)
    assert run.outcome is AgingOutcome.COMPLETED


async def test_a_practice_that_does_not_run_ages_no_families() -> None:
    with pytest.raises(RuntimeError):
        make_practice().start_partial_aging(1, 1.0)


async def test_a_lock_that_was_left_behind_keeps_some_families_from_being_aged() -> None:
    office = make_practice(crashes=(date(2026, 11, 22),))
    async with living_practice(office):
        await anyio.sleep(HOUR)
        office.start_partial_aging(1, 1.0)
        await anyio.sleep(10)
    assert office.aging.partial_runs == []


async def test_a_crash_before_22_2_leaves_the_flag_set_the_date_unmoved_and_the_table_half_aged() -> None:
    office = await run_practice(2 * HOUR, guarantors=400, crashes=(date(2026, 11, 22),), program_version="22.1.9.0")
    (run,) = office.aging.runs
    assert (run.outcome, run.finished_at) == (AgingOutcome.CRASHED, None)
    assert read_preference(office, "AgingBeginDateTime") == "2026-11-22 02:00:00"
    assert read_preference(office, "DateLastAging") == "2026-11-21"
    assert (
        office.balances.find_true_interval(office.balances.get_true_balances(), since=TWO + timedelta(seconds=30))
        is not None
    )


@pytest.mark.parametrize("version", ["23.3.44.0", "24.1.14.0", "24.2.1.0", "25.4.48.0"])
async def test_a_new_version_forgets_a_crash_after_a_day(version: str) -> None:
    office = await run_practice(DAY + 2 * HOUR, crashes=(date(2026, 11, 22),), program_version=version)
    assert [run.outcome for run in office.aging.runs] == [AgingOutcome.CRASHED, AgingOutcome.COMPLETED]
    assert read_preference(office, "AgingBeginDateTime") == ""


@pytest.mark.parametrize("version", ["21.3.27.0", "22.2.5.0", "23.3.43.0", "24.1.13.0"])
async def test_an_old_version_stays_blocked_until_an_administrator_clears_the_flag(version: str) -> None:
    office = make_practice(crashes=(date(2026, 11, 22),), program_version=version)
    async with living_practice(office):
        await anyio.sleep(3 * DAY)
        assert len(office.aging.runs) == 1
        office.set_preference("AgingBeginDateTime", "")
        await anyio.sleep(DAY)
    assert [run.outcome for run in office.aging.runs] == [AgingOutcome.CRASHED, AgingOutcome.COMPLETED]


async def test_an_office_that_always_crashes_never_moves_its_date() -> None:
    office = await run_practice(4 * DAY, crashes="always")
    assert {run.outcome for run in office.aging.runs} == {AgingOutcome.CRASHED}
    assert len(office.aging.runs) == 4
    assert read_preference(office, "DateLastAging") == "2026-11-21"


async def test_an_old_version_zeroes_everything_before_it_refills() -> None:
    office = make_practice(program_version="21.3.27.0", run_seconds=100)
    async with living_practice(office):
        await anyio.sleep(10 * MINUTE + 1)
        assert all(balance[3:] == (0,) * 6 for balance in office.balances.get_true_balances())
        assert read_balances(office) == office.balances.get_true_balances()
        await anyio.sleep(2 * MINUTE)
    assert any(balance.bal_total for balance in office.balances.get_true_balances())


async def test_the_service_may_start_late_within_its_hour() -> None:
    office = await run_practice(3 * HOUR, start_delay_seconds=3500)
    assert office.aging.runs[0].started_at == TWO + timedelta(seconds=3500)


async def test_a_service_that_is_down_for_the_hour_runs_nothing_and_its_heart_stops() -> None:
    office = make_practice(start_delay_seconds=2 * HOUR)
    async with living_practice(office):
        assert read_preference(office, "OpenDentalServiceHeartbeat") == "2026-11-22 01:50:00"
        await anyio.sleep(HOUR)
        assert read_preference(office, "OpenDentalServiceHeartbeat") == "2026-11-22 02:00:00"
        await anyio.sleep(2 * DAY)
        assert read_preference(office, "OpenDentalServiceHeartbeat") == "2026-11-24 02:00:00"
        await anyio.sleep(2 * HOUR)
        assert read_preference(office, "OpenDentalServiceHeartbeat") == "2026-11-24 04:50:00"
    assert office.aging.runs == []


async def test_a_world_that_begins_inside_the_hour_ages_at_once_then_nightly() -> None:
    inside = make_practice(at=TWO + timedelta(minutes=59))
    after = make_practice(at=TWO + timedelta(minutes=61))
    async with living_practice(inside), living_practice(after):
        await anyio.sleep(10 * HOUR)
    assert [run.started_at for run in inside.aging.runs] == [TWO + timedelta(minutes=59)]
    assert after.aging.runs == []


async def test_without_automation_nothing_runs_until_a_time_is_set() -> None:
    office = make_practice(service_time_due=None)
    async with living_practice(office):
        await anyio.sleep(2 * DAY)
        assert read_preference(office, "AgingServiceTimeDue") == ""
        assert office.aging.runs == []
        office.set_preference("AgingServiceTimeDue", "2000-01-01 05:00:00")
        await anyio.sleep(4 * HOUR)
    assert [run.started_at for run in office.aging.runs] == [datetime(2026, 11, 24, 13, 0, tzinfo=UTC)]


async def test_a_due_time_moved_while_the_service_waits_is_obeyed() -> None:
    office = make_practice()
    async with living_practice(office):
        await anyio.sleep(MINUTE)
        office.set_preference("AgingServiceTimeDue", "2000-01-01 01:55:00")
        await anyio.sleep(HOUR)
    assert [run.started_at for run in office.aging.runs] == [TWO - timedelta(minutes=5)]


async def test_a_monthly_office_ages_on_the_first_only() -> None:
    office = await run_practice(40 * DAY, monthly=True)
    assert read_preference(office, "AgingCalculatedMonthlyInsteadOfDaily") == "1"
    assert [run.aging_date for run in office.aging.runs] == [date(2026, 12, 1)]


def test_a_monthly_office_was_last_aged_on_its_last_first() -> None:
    assert read_preference(make_practice(monthly=True), "DateLastAging") == "2026-11-01"


async def test_an_office_that_was_never_aged_gets_its_balances_the_first_night() -> None:
    office = await run_practice(HOUR, last_aging="never")
    assert read_preference(office, "DateLastAging") == "2026-11-22"
    assert len(office.balances.get_true_balances()) >= 55
    assert any(balance.bal_over_90 for balance in office.balances.get_true_balances())


async def test_a_run_by_hand_may_carry_another_date() -> None:
    office = make_practice()
    run = await office.aging.run(date(2026, 10, 1))
    assert run.aging_date == date(2026, 10, 1)
    assert read_preference(office, "DateLastAging") == "2026-10-01"
    assert read_balances(office) == office.balances.get_true_balances()


async def test_a_wrong_clock_makes_the_run_early_and_now_wrong() -> None:
    office = await run_practice(HOUR, clock_skew_seconds=300)
    assert office.aging.runs[0].started_at == TWO - timedelta(seconds=300)
    assert office.run_short_query("SELECT NOW() AS n, UTC_TIMESTAMP() AS u") == [
        {"n": "2026-11-22T02:55:00", "u": "2026-11-22T10:55:00"}
    ]


async def test_a_stepped_wall_clock_wakes_the_service() -> None:
    office = make_practice()
    async with living_practice(office):
        await anyio.sleep(1)
        office.clock.step(timedelta(minutes=30))
        await anyio.sleep(1)
        assert len(office.aging.runs) == 1


@pytest.mark.parametrize(
    ("due", "started"),
    [
        ("01:59:59", datetime(2026, 3, 8, 9, 59, 59, tzinfo=UTC)),
        ("02:00:00", datetime(2026, 3, 8, 10, 0, tzinfo=UTC)),
        ("02:30:00", datetime(2026, 3, 8, 10, 0, tzinfo=UTC)),
        ("03:00:00", datetime(2026, 3, 8, 10, 0, tzinfo=UTC)),
        ("03:30:00", datetime(2026, 3, 8, 10, 30, tzinfo=UTC)),
    ],
)
async def test_a_due_time_inside_the_spring_gap_comes_at_its_end(due: str, started: datetime) -> None:
    office = make_practice(at=datetime(2026, 3, 8, 8, 0, tzinfo=UTC), service_time_due=due)
    async with living_practice(office):
        await anyio.sleep(5 * HOUR)
    assert [run.started_at for run in office.aging.runs] == [started]


@pytest.mark.parametrize(
    ("due", "started"),
    [
        ("00:59:59", datetime(2026, 11, 1, 7, 59, 59, tzinfo=UTC)),
        ("01:30:00", datetime(2026, 11, 1, 8, 30, tzinfo=UTC)),
        ("02:00:00", datetime(2026, 11, 1, 10, 0, tzinfo=UTC)),
    ],
)
@pytest.mark.parametrize("crashes", [(), "always"])
async def test_a_due_time_inside_the_autumn_fold_comes_once(due: str, started: datetime, crashes: Any) -> None:
    office = make_practice(at=datetime(2026, 11, 1, 7, 0, tzinfo=UTC), service_time_due=due, crashes=crashes)
    async with living_practice(office):
        await anyio.sleep(6 * HOUR)
    assert [run.started_at for run in office.aging.runs] == [started]


async def test_an_hour_that_crosses_midnight_belongs_to_the_evening_before() -> None:
    office = make_practice(
        at=datetime(2026, 11, 22, 8, 10, tzinfo=UTC), service_time_due="23:30:00", crashes=(date(2026, 11, 21),)
    )
    async with living_practice(office):
        await anyio.sleep(MINUTE * 10)
    (run,) = office.aging.runs
    assert (run.aging_date, run.outcome) == (date(2026, 11, 22), AgingOutcome.CRASHED)
