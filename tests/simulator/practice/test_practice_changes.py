"""What may happen to a practice in the middle of its life, and what it reports of its past."""

from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from oddaemon.simulator.faults.faults import LimitIgnored
from oddaemon.simulator.model.spec import PracticeSpec
from oddaemon.simulator.practice.aging_run import AgingOutcome
from tests.simulator.sample_practice import VIRTUAL_BACKEND, living_practice, make_practice, read_preference
from tests.simulator.small_headquarters import EVERY_PAT_NUM, make_headquarters

MINUTE = 60.0
HOUR = 3600.0
TWO = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)  # 02:00 in Los Angeles, ten minutes after the world begins
UNTIL_TWO = 10 * MINUTE


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return VIRTUAL_BACKEND


async def test_a_run_that_is_broken_off_leaves_its_lock_and_the_old_date() -> None:
    office = make_practice(run_seconds=300)
    async with living_practice(office):
        await anyio.sleep(UNTIL_TWO + 100)
        office.aging.abort()
        await anyio.sleep(1)
    (run,) = office.aging.runs
    assert (run.outcome, run.ended_seconds) == (AgingOutcome.CRASHED, UNTIL_TWO + 100)
    assert read_preference(office, "AgingBeginDateTime") == "2026-11-22 02:00:00"
    assert read_preference(office, "DateLastAging") == "2026-11-21"


async def test_a_run_that_has_written_everything_cannot_be_broken_off() -> None:
    office = make_practice(run_seconds=100)
    async with living_practice(office):
        await anyio.sleep(UNTIL_TWO + 92)
        office.aging.abort()
        await anyio.sleep(HOUR)
        office.aging.abort()
    assert [run.outcome for run in office.aging.runs] == [AgingOutcome.COMPLETED]
    assert read_preference(office, "AgingBeginDateTime") == ""


async def test_runs_may_come_to_take_longer_and_a_service_may_fall_asleep() -> None:
    office = make_practice(run_seconds=100)
    async with living_practice(office):
        office.aging.run_seconds = 700
        await anyio.sleep(2 * HOUR)
        office.service.set_delay(2 * HOUR)
        await anyio.sleep(48 * HOUR)
        assert len(office.aging.runs) == 1
        office.service.set_delay(0)
        await anyio.sleep(24 * HOUR)
    assert [run.finished_at for run in office.aging.runs] == [
        TWO + timedelta(seconds=700),
        TWO + timedelta(days=3, seconds=700),
    ]


async def test_a_service_does_not_start_beside_a_run_that_never_ends() -> None:
    """Newer versions go over a lock that is older than a day; this one's program is still at work."""
    office = make_practice(run_seconds=30 * HOUR)
    async with living_practice(office):
        await anyio.sleep(40 * HOUR)
    assert [run.outcome for run in office.aging.runs] == [AgingOutcome.COMPLETED]


async def test_the_past_is_recorded_in_seconds_independent_of_clock_steps() -> None:
    office = make_practice(run_seconds=100)
    before = office.balances.get_true_balances()
    async with living_practice(office):
        await anyio.sleep(UNTIL_TWO + 50)
        office.clock.step(timedelta(days=-3))
        await anyio.sleep(HOUR)
    (run,) = [run for run in office.aging.runs if run.outcome is AgingOutcome.COMPLETED]
    assert run.started_seconds == UNTIL_TWO
    assert run.ended_seconds == pytest.approx(UNTIL_TWO + 100)
    ((first, last),) = office.balances.find_true_spans(before)
    assert first == 0
    assert UNTIL_TWO < last <= UNTIL_TWO + 90
    (begins, ends), *_ = office.balances.find_true_spans(office.balances.get_true_balances())
    assert UNTIL_TWO < begins < UNTIL_TWO + 100 < ends == UNTIL_TWO + 50 + HOUR


async def test_a_state_that_comes_back_has_two_spans() -> None:
    office = make_practice()
    empty = office.balances.get_true_balances(clinics=(99,))
    await anyio.sleep(60)
    office.post_activity()
    assert office.balances.find_true_spans(empty, clinics=(99,)) == [(0, 60), (60, 60)]
    assert office.balances.find_true_spans(empty) == []


def test_pat_nums_may_begin_where_they_are_easy_to_find() -> None:
    for pat_nums in ("dense", "sparse"):
        office = make_practice(pat_nums=pat_nums, first_pat_num=431_000_000)
        assert all(431_000_000 <= balance.pat_num < 431_100_000 for balance in office.balances.get_true_balances())


async def test_an_office_may_be_updated_in_the_middle_of_its_life() -> None:
    old = make_headquarters(spec=PracticeSpec("brookside", seed=7, program_version="21.1.4.0"))
    assert (await old.short_query(EVERY_PAT_NUM)).status == 400
    old.get_practice().set_preference("ProgramVersion", "25.4.48.0")
    assert (await old.short_query(EVERY_PAT_NUM)).status == 200


async def test_a_limit_may_be_ignored_and_the_page_cap_with_it() -> None:
    everything = len(make_headquarters().get_practice().run_short_query(EVERY_PAT_NUM))
    for faults, rows in (((), 5), ((LimitIgnored(),), everything)):
        answer = await make_headquarters(*faults).short_query(f"{EVERY_PAT_NUM} LIMIT 5")
        assert answer.body.count(b"PatNum") == rows


def test_who_a_practice_is_differs_from_office_to_office() -> None:
    names = ("PracticeTitle", "PracticePhone", "PracticeAddress", "PracticeZip")
    elm, oak = ([read_preference(make_practice(office_id=office), name) for name in names] for office in ("elm", "oak"))
    assert all(elm)
    assert not set(elm) & set(oak)
