"""Orders to read past days, and how far each has come: a page and its progress are one row, so neither can be ahead."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import date, datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Row, Select, Update, delete, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from oddaemon.core.backfill import Backfill, PastDay, Stage, Via
from oddaemon.core.model import Balance
from oddaemon.core.report import Progress
from oddaemon.store import schema
from oddaemon.store.database import Database
from oddaemon.store.errors import OfficeNotEnrolled, legible

_encode = msgspec.json.Encoder().encode
_balances_decoder = msgspec.json.Decoder(list[Balance])

_ORDER = text(
    "INSERT INTO backfill (office, as_of, via, query, ordered_at, stage, attempts, rereads, why) "
    "SELECT office.key, :as_of, :via, :query, :ordered_at, 'open', 0, 0, '' FROM office WHERE office.id = :office "
    "RETURNING number"
)
_KEEP = (
    "INSERT INTO backfill_page (backfill, balances, progress) "
    "SELECT number, ?, ? FROM backfill WHERE number = ? AND stage = 'open'"
)
_REACHED = text(
    "SELECT backfill, COUNT(*) AS requests, SUM(json_array_length(balances)) AS rows FROM backfill_page "
    "GROUP BY backfill"
)
CANCELLED = "It was cancelled. Order the day again to read it from its beginning."


class Kept(NamedTuple):
    """What an order has read so far; each request is a page."""

    progress: Progress = Progress()
    balances: tuple[Balance, ...] = ()
    requests: int = 0


class _Mark(msgspec.Struct):
    """What stands beside a page."""

    progress: Progress
    scope: str


_mark_decoder = msgspec.json.Decoder(_Mark)


class Reached(NamedTuple):
    """The same in numbers."""

    requests: int = 0
    rows: int = 0


async def order(db: Database, day: PastDay, now: datetime) -> Backfill:
    """Take an order, or join the open one that is the same, with what it has read.

    Any other one for the same office and day, and what it had read so far, is forgotten.

    Raises:
        OfficeNotEnrolled: no such office.
    """
    row = {
        "office": day.office_id,
        "as_of": day.as_of.isoformat(),
        "via": day.via.value,
        "query": day.query,
        "ordered_at": schema.instant_text(now),
    }
    async with db.transaction() as connection:
        if (same := await _open(connection, day)) is not None:
            return same
        await _forget(connection, day.office_id, day.as_of)
        number = (await connection.execute(_ORDER, row)).scalar_one_or_none()
        if number is None:
            raise OfficeNotEnrolled(day.office_id)
    return Backfill(number, day, now)


async def orders(db: Database, stage: Stage | None = None) -> list[Backfill]:
    """Every order, or those that stand so, oldest first."""
    query = _orders() if stage is None else _orders().where(schema.backfill.c.stage == stage.value)
    async with db.reading() as connection:
        with legible(db.path):
            return [_order(row) for row in (await connection.execute(query)).all()]


async def cancel(db: Database, office_id: str, days: Collection[date] = ()) -> list[Backfill]:
    """End the office's open orders, or those for these days; what they have read is forgotten.

    Returns:
        Those that are cancelled now.
    """
    open_ones = _orders().where(schema.office.c.id == office_id, schema.backfill.c.stage == Stage.OPEN.value)
    async with db.transaction() as connection:
        found = [_order(row) for row in (await connection.execute(open_ones)).all()]
        ended = [
            replace(order, stage=Stage.CANCELLED, not_before=None, why=CANCELLED)
            for order in found
            if not days or order.day.as_of in days
        ]
        for order in ended:
            await connection.execute(_of(order), {"stage": order.stage.value, "not_before": None, "why": order.why})
            await drop_pages(connection, order.number)
    return ended


async def reached(db: Database) -> dict[int, Reached]:
    """How far each order that has read something has come, by its number."""
    async with db.reading() as connection:
        with legible(db.path):
            return {row.backfill: Reached(row.requests, row.rows) for row in await connection.execute(_REACHED)}


async def save(db: Database, order: Backfill) -> None:
    """Remember how an open order stands; what it has read stays, unless it begins anew or is over."""
    changed = asdict(order)
    columns = {name: changed[name] for name in ("not_before", "attempts", "rereads", "why")}
    async with db.transaction() as connection:
        before = (
            await connection.execute(
                select(schema.backfill.c.rereads, schema.backfill.c.stage).where(
                    schema.backfill.c.number == order.number
                )
            )
        ).one_or_none()
        if before is None or before.stage != Stage.OPEN.value:
            return
        await connection.execute(_of(order), {**columns, "stage": order.stage.value})
        if order.stage is not Stage.OPEN or before.rereads != order.rereads:
            await drop_pages(connection, order.number)


async def keep(db: Database, number: int, page: Sequence[Balance], progress: Progress, scope: str) -> None:
    """Add a page and how far that reaches, both or neither; nothing where the order is over by now.

    Args:
        db: Where.
        number: The order's.
        page: What came.
        progress: How far that reaches.
        scope: Which guarantors the office's settings want.
    """
    await db.one_statement(_KEEP, (_encode(page).decode(), _encode(_Mark(progress, scope)).decode(), number))


async def kept(db: Database, number: int, scope: str) -> Kept:
    """How far an order has come, and the balances that it has.

    What was read for another scope, as lists of other clinics, or cannot be read, is forgotten: from the beginning.
    """
    query = (
        select(schema.backfill_page.c.balances, schema.backfill_page.c.progress)
        .where(schema.backfill_page.c.backfill == number)
        .order_by(schema.backfill_page.c.number)
    )
    async with db.reading() as connection:
        pages = (await connection.execute(query)).all()
    if not pages:
        return Kept()
    with suppress(msgspec.DecodeError):
        mark = _mark_decoder.decode(pages[-1].progress)
        balances = tuple(balance for page in pages for balance in _balances_decoder.decode(page.balances))
        if mark.scope == scope:
            return Kept(mark.progress, balances, len(pages))
    async with db.transaction() as connection:
        await drop_pages(connection, number)
    return Kept()


async def drop_pages(connection: AsyncConnection, number: int) -> None:
    """Forget what an order has read, as part of a larger transaction."""
    await connection.execute(delete(schema.backfill_page).where(schema.backfill_page.c.backfill == number))


def _orders() -> Select[Any]:
    table = schema.backfill
    return (
        select(schema.office.c.id, table)
        .join(schema.office, schema.office.c.key == table.c.office)
        .order_by(table.c.number)
    )


def _of(order: Backfill) -> Update:
    return schema.backfill.update().where(schema.backfill.c.number == order.number)


async def _open(connection: AsyncConnection, day: PastDay) -> Backfill | None:
    table = schema.backfill
    same = _orders().where(
        schema.office.c.id == day.office_id,
        table.c.as_of == day.as_of,
        table.c.via == day.via.value,
        table.c.query == day.query,
        table.c.stage == Stage.OPEN.value,
    )
    row = (await connection.execute(same)).one_or_none()
    return None if row is None else _order(row)


async def _forget(connection: AsyncConnection, office_id: str, as_of: date) -> None:
    table = schema.backfill
    office = select(schema.office.c.key).where(schema.office.c.id == office_id).scalar_subquery()
    found = await connection.execute(select(table.c.number).where(table.c.office == office, table.c.as_of == as_of))
    for (number,) in found.all():
        await drop_pages(connection, number)
        await connection.execute(delete(table).where(table.c.number == number))


def _order(row: Row[Any]) -> Backfill:
    return Backfill(
        number=row.number,
        day=PastDay(row.id, row.as_of, Via(row.via), row.query),
        ordered_at=row.ordered_at,
        stage=Stage(row.stage),
        not_before=row.not_before,
        attempts=row.attempts,
        rereads=row.rereads,
        why=row.why,
    )
