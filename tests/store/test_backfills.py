"""Orders for past days: the same one is joined, and one that is over takes nothing any more."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import pytest

from oddaemon.core.backfill import Backfill, Brought, PastDay, Stage, Via
from oddaemon.core.model import Balance
from oddaemon.core.report import Progress
from oddaemon.core.verify import totals_of
from oddaemon.store import backfills, historical
from oddaemon.store.database import Database
from tests.store.samples import ELM, NOW, some_balances

DAY = date(2025, 12, 31)
PAGE = tuple(some_balances(10))
SCOPE = "all:"


async def started(database: Database, day: PastDay) -> Backfill:
    order = await backfills.order(database, day, NOW)
    await backfills.keep(database, order.number, PAGE, Progress(offset=10), SCOPE)
    return order


async def published(database: Database, order: Backfill, rows: Sequence[Balance] = PAGE) -> bool:
    return await historical.publish(database, order, Brought(tuple(rows), totals_of(rows), 7), NOW)


async def stages(database: Database) -> list[Stage]:
    return [order.stage for order in await backfills.orders(database)]


async def test_the_same_order_again_is_the_open_one_with_what_it_has_read(database: Database) -> None:
    order = await started(database, PastDay(ELM, DAY))
    assert await backfills.order(database, PastDay(ELM, DAY), NOW) == order
    assert await backfills.reached(database) == {order.number: (1, 10)}
    assert await backfills.kept(database, order.number, SCOPE) == (Progress(offset=10), PAGE, 1)


async def test_what_was_read_of_other_guarantors_is_forgotten(database: Database) -> None:
    order = await started(database, PastDay(ELM, DAY))
    assert await backfills.kept(database, order.number, "all:1,2") == backfills.Kept()
    assert await backfills.reached(database) == {}


@pytest.mark.parametrize("other", [PastDay(ELM, DAY, Via.SFTP, "SELECT 2"), PastDay(ELM, DAY, Via.REPORT)])
async def test_another_order_for_the_day_takes_its_place(database: Database, other: PastDay) -> None:
    order = await started(database, PastDay(ELM, DAY, Via.SFTP, "SELECT 1"))
    assert (await backfills.order(database, other, NOW)).number != order.number
    assert await backfills.reached(database) == {}
    assert await stages(database) == [Stage.OPEN]


async def test_a_day_that_is_over_is_ordered_from_its_beginning(database: Database) -> None:
    order = await started(database, PastDay(ELM, DAY))
    assert await published(database, order)
    assert (await backfills.order(database, PastDay(ELM, DAY), NOW)).number != order.number


async def test_what_is_cancelled_keeps_and_publishes_nothing_any_more(database: Database) -> None:
    order = await started(database, PastDay(ELM, DAY))
    (cancelled,) = await backfills.cancel(database, ELM)
    assert (cancelled.number, cancelled.stage) == (order.number, Stage.CANCELLED)
    await backfills.keep(database, order.number, PAGE, Progress(offset=20), SCOPE)
    await backfills.save(database, replace(order, attempts=1))
    assert not await published(database, order)
    assert await stages(database) == [Stage.CANCELLED]
    assert await backfills.reached(database) == {}
    assert await historical.find(database, ELM) == []


async def test_only_open_orders_of_the_office_and_the_days_are_cancelled(database: Database) -> None:
    done, *_ = [await started(database, PastDay(ELM, DAY.replace(day=day))) for day in (1, 2, 3)]
    await published(database, done)
    assert await backfills.cancel(database, "nobody") == []
    cancelled = await backfills.cancel(database, ELM, [DAY.replace(day=1), DAY.replace(day=2)])
    assert [order.day.as_of.day for order in cancelled] == [2]
    assert await stages(database) == [Stage.DONE, Stage.CANCELLED, Stage.OPEN]


async def test_a_day_on_which_nobody_owed_anything_is_known_by_its_rows(database: Database) -> None:
    nothing = Balance(1, 0, 0, 0, 0, 0, 0, 5000, 0)
    rows: dict[int, list[Balance]] = {
        1: list(PAGE),
        2: [],
        3: [nothing],
        4: [nothing._replace(bal_total=100, bal_0_30=100), nothing._replace(pat_num=2, bal_total=-100, bal_0_30=-100)],
    }
    for day, held in rows.items():
        await published(database, await started(database, PastDay(ELM, DAY.replace(day=day))), held)
    found = await historical.outcomes(database)
    assert {day.day: outcome.owes_nothing for (_, day), outcome in found.items()} == {
        1: False,
        2: True,
        3: True,
        4: False,
    }
    assert found[ELM, DAY.replace(day=1)] == (10, 7, False)
