"""Orders for past days: the same one is joined, and one that is over takes nothing any more."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import pytest

from oddaemon.core.backfill.job import BackfillJob, BackfillMethod, BackfillResult, BackfillTarget, JobState
from oddaemon.core.model import Balance
from oddaemon.core.snapshot.aging_report import ReportCursor
from oddaemon.core.snapshot.verify import compute_totals
from oddaemon.store import backfill_jobs, backfilled_days
from tests.store.postgresql.engines import AnyDatabase
from tests.store.samples import ELM, NOW, make_balances

DAY = date(2025, 12, 31)
PAGE = tuple(make_balances(10))
SCOPE = "all:"


async def start_job(database: AnyDatabase, day: BackfillTarget) -> BackfillJob:
    job = await backfill_jobs.get_or_create(database, day, NOW)
    await backfill_jobs.add_page(database, job.number, PAGE, ReportCursor(offset=10), SCOPE)
    return job


async def publish_job(database: AnyDatabase, job: BackfillJob, rows: Sequence[Balance] = PAGE) -> bool:
    return await backfilled_days.publish(database, job, BackfillResult(rows, compute_totals(rows), 7), NOW)


async def list_states(database: AnyDatabase) -> list[JobState]:
    return [job.state for job in await backfill_jobs.list_jobs(database)]


async def test_the_same_job_again_is_the_open_one_with_its_rows(database: AnyDatabase) -> None:
    job = await start_job(database, BackfillTarget(ELM, DAY))
    assert await backfill_jobs.get_or_create(database, BackfillTarget(ELM, DAY), NOW) == job
    assert await backfill_jobs.load_counts(database) == {job.number: (1, 10)}
    assert await backfill_jobs.load_data(database, job.number, SCOPE) == (ReportCursor(offset=10), PAGE, 1)


async def test_what_was_read_of_other_guarantors_is_forgotten(database: AnyDatabase) -> None:
    job = await start_job(database, BackfillTarget(ELM, DAY))
    assert await backfill_jobs.load_data(database, job.number, "all:1,2") == backfill_jobs.JobData()
    assert await backfill_jobs.load_counts(database) == {}


@pytest.mark.parametrize(
    "other",
    [BackfillTarget(ELM, DAY, BackfillMethod.SFTP, "SELECT 2"), BackfillTarget(ELM, DAY, BackfillMethod.REPORT)],
)
async def test_another_job_for_the_day_replaces_it(database: AnyDatabase, other: BackfillTarget) -> None:
    job = await start_job(database, BackfillTarget(ELM, DAY, BackfillMethod.SFTP, "SELECT 1"))
    assert (await backfill_jobs.get_or_create(database, other, NOW)).number != job.number
    assert await backfill_jobs.load_counts(database) == {}
    assert await list_states(database) == [JobState.OPEN]


async def test_a_finished_day_starts_from_its_beginning(database: AnyDatabase) -> None:
    job = await start_job(database, BackfillTarget(ELM, DAY))
    assert await publish_job(database, job)
    assert (await backfill_jobs.get_or_create(database, BackfillTarget(ELM, DAY), NOW)).number != job.number


async def test_what_is_cancelled_keeps_and_publishes_nothing_any_more(database: AnyDatabase) -> None:
    job = await start_job(database, BackfillTarget(ELM, DAY))
    (cancelled,) = await backfill_jobs.cancel(database, ELM)
    assert (cancelled.number, cancelled.state) == (job.number, JobState.CANCELLED)
    await backfill_jobs.add_page(database, job.number, PAGE, ReportCursor(offset=20), SCOPE)
    await backfill_jobs.save(database, replace(job, attempts=1))
    assert not await publish_job(database, job)
    assert await list_states(database) == [JobState.CANCELLED]
    assert await backfill_jobs.load_counts(database) == {}
    assert await backfilled_days.load_outcomes(database) == {}


async def test_only_open_jobs_of_the_office_and_the_days_are_cancelled(database: AnyDatabase) -> None:
    done, *_ = [await start_job(database, BackfillTarget(ELM, DAY.replace(day=day))) for day in (1, 2, 3)]
    await publish_job(database, done)
    assert await backfill_jobs.cancel(database, "absent") == []
    cancelled = await backfill_jobs.cancel(database, ELM, [DAY.replace(day=1), DAY.replace(day=2)])
    assert [job.target.as_of.day for job in cancelled] == [2]
    assert await list_states(database) == [JobState.DONE, JobState.CANCELLED, JobState.OPEN]


async def test_a_day_without_balances_is_known_by_its_rows(database: AnyDatabase) -> None:
    nothing = Balance(1, 0, 0, 0, 0, 0, 0, 5000, 0)
    rows: dict[int, list[Balance]] = {
        1: list(PAGE),
        2: [],
        3: [nothing],
        4: [nothing._replace(bal_total=100, bal_0_30=100), nothing._replace(pat_num=2, bal_total=-100, bal_0_30=-100)],
    }
    for day, stored in rows.items():
        await publish_job(database, await start_job(database, BackfillTarget(ELM, DAY.replace(day=day))), stored)
    found = await backfilled_days.load_outcomes(database)
    assert {day.day: outcome.owes_nothing for (_, day), outcome in found.items()} == {
        1: False,
        2: True,
        3: True,
        4: False,
    }
    assert found[ELM, DAY.replace(day=1)] == (10, 7, False)
