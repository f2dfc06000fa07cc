"""Orders for past days: the same one is joined, and one that is over takes nothing any more."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import pytest

from oddaemon.core.backfill.job import BackfillJob, BackfillMethod, BackfillResult, BackfillTarget, JobState
from oddaemon.core.model import Balance, index_balances
from oddaemon.core.snapshot.aging_report import ReportCursor
from oddaemon.core.snapshot.verify import compute_totals
from oddaemon.store import backfill_jobs, backfilled_days
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.store.samples import ELM, NOW, some_balances

DAY = date(2025, 12, 31)
PAGE = tuple(some_balances(10))
SCOPE = "all:"


async def started(database: SqliteDatabase, day: BackfillTarget) -> BackfillJob:
    order = await backfill_jobs.get_or_create(database, day, NOW)
    await backfill_jobs.add_page(database, order.number, PAGE, ReportCursor(offset=10), SCOPE)
    return order


async def published(database: SqliteDatabase, order: BackfillJob, rows: Sequence[Balance] = PAGE) -> bool:
    return await backfilled_days.publish(
        database, order, BackfillResult(index_balances(rows), compute_totals(rows), 7), NOW
    )


async def stages(database: SqliteDatabase) -> list[JobState]:
    return [order.state for order in await backfill_jobs.list_jobs(database)]


async def test_the_same_order_again_is_the_open_one_with_what_it_has_read(database: SqliteDatabase) -> None:
    order = await started(database, BackfillTarget(ELM, DAY))
    assert await backfill_jobs.get_or_create(database, BackfillTarget(ELM, DAY), NOW) == order
    assert await backfill_jobs.load_counts(database) == {order.number: (1, 10)}
    assert await backfill_jobs.load_data(database, order.number, SCOPE) == (ReportCursor(offset=10), PAGE, 1)


async def test_what_was_read_of_other_guarantors_is_forgotten(database: SqliteDatabase) -> None:
    order = await started(database, BackfillTarget(ELM, DAY))
    assert await backfill_jobs.load_data(database, order.number, "all:1,2") == backfill_jobs.JobData()
    assert await backfill_jobs.load_counts(database) == {}


@pytest.mark.parametrize(
    "other",
    [BackfillTarget(ELM, DAY, BackfillMethod.SFTP, "SELECT 2"), BackfillTarget(ELM, DAY, BackfillMethod.REPORT)],
)
async def test_another_order_for_the_day_takes_its_place(database: SqliteDatabase, other: BackfillTarget) -> None:
    order = await started(database, BackfillTarget(ELM, DAY, BackfillMethod.SFTP, "SELECT 1"))
    assert (await backfill_jobs.get_or_create(database, other, NOW)).number != order.number
    assert await backfill_jobs.load_counts(database) == {}
    assert await stages(database) == [JobState.OPEN]


async def test_a_day_that_is_over_is_ordered_from_its_beginning(database: SqliteDatabase) -> None:
    order = await started(database, BackfillTarget(ELM, DAY))
    assert await published(database, order)
    assert (await backfill_jobs.get_or_create(database, BackfillTarget(ELM, DAY), NOW)).number != order.number


async def test_what_is_cancelled_keeps_and_publishes_nothing_any_more(database: SqliteDatabase) -> None:
    order = await started(database, BackfillTarget(ELM, DAY))
    (cancelled,) = await backfill_jobs.cancel(database, ELM)
    assert (cancelled.number, cancelled.state) == (order.number, JobState.CANCELLED)
    await backfill_jobs.add_page(database, order.number, PAGE, ReportCursor(offset=20), SCOPE)
    await backfill_jobs.save(database, replace(order, attempts=1))
    assert not await published(database, order)
    assert await stages(database) == [JobState.CANCELLED]
    assert await backfill_jobs.load_counts(database) == {}
    assert await backfilled_days.load_outcomes(database) == {}


async def test_only_open_orders_of_the_office_and_the_days_are_cancelled(database: SqliteDatabase) -> None:
    done, *_ = [await started(database, BackfillTarget(ELM, DAY.replace(day=day))) for day in (1, 2, 3)]
    await published(database, done)
    assert await backfill_jobs.cancel(database, "nobody") == []
    cancelled = await backfill_jobs.cancel(database, ELM, [DAY.replace(day=1), DAY.replace(day=2)])
    assert [order.target.as_of.day for order in cancelled] == [2]
    assert await stages(database) == [JobState.DONE, JobState.CANCELLED, JobState.OPEN]


async def test_a_day_on_which_nobody_owed_anything_is_known_by_its_rows(database: SqliteDatabase) -> None:
    nothing = Balance(1, 0, 0, 0, 0, 0, 0, 5000, 0)
    rows: dict[int, list[Balance]] = {
        1: list(PAGE),
        2: [],
        3: [nothing],
        4: [nothing._replace(bal_total=100, bal_0_30=100), nothing._replace(pat_num=2, bal_total=-100, bal_0_30=-100)],
    }
    for day, held in rows.items():
        await published(database, await started(database, BackfillTarget(ELM, DAY.replace(day=day))), held)
    found = await backfilled_days.load_outcomes(database)
    assert {day.day: outcome.owes_nothing for (_, day), outcome in found.items()} == {
        1: False,
        2: True,
        3: True,
        4: False,
    }
    assert found[ELM, DAY.replace(day=1)] == (10, 7, False)
