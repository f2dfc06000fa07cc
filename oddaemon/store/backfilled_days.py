"""Balances of past days that were read afterwards. They stand beside the snapshots and never among them.

One day that was read afterwards, as the database lists it: everything but its balances.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import delete, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from oddaemon.core.backfill.job import BackfillJob, BackfillMethod, BackfillResult, JobState
from oddaemon.core.model import Balance, ControlTotals
from oddaemon.store import backfill_jobs, schema
from oddaemon.store.database import Database
from oddaemon.store.errors import OfficeNotRegistered, constraint_errors, decoding_errors

_decoder = msgspec.json.Decoder(list[Balance])
_COLUMNS = ", ".join(Balance._fields)
_ADD = (
    f"INSERT INTO historical_balance (snapshot, {_COLUMNS}) "  # noqa: S608 - our own column names
    f"VALUES (?, {', '.join('?' for _ in Balance._fields)})"
)
_BALANCES = (
    f"SELECT json_group_array(json_array({_COLUMNS})) FROM "  # noqa: S608 - our own column names
    "(SELECT * FROM historical_balance WHERE snapshot = ? ORDER BY pat_num)"
)
_OWED_COLUMNS = ("bal_0_30", "bal_31_60", "bal_61_90", "bal_over_90", "bal_total")
_OUTCOMES = text(
    f"SELECT office.id, snapshot.as_of, snapshot.guarantors, snapshot.requests, "  # noqa: S608 - our own column names
    f"{' AND '.join(f'snapshot.{name} = 0' for name in _OWED_COLUMNS)} AND NOT EXISTS (SELECT 1 FROM "
    "historical_balance AS row "
    "WHERE row.snapshot = snapshot.id AND "
    f"({' OR '.join(f'row.{name} <> 0' for name in _OWED_COLUMNS)})) AS owes_nothing "
    "FROM historical_snapshot AS snapshot JOIN office ON office.key = snapshot.office"
)
_TOTALS = tuple(schema.historical_snapshot.c[name] for name in ControlTotals._fields)


@dataclass(frozen=True, slots=True)
class BackfilledSnapshot:
    """What an office's balances were as of a past day, as its server told later."""

    id: int
    office_id: str
    as_of: date
    via: BackfillMethod
    published_at: datetime
    requests: int
    totals: ControlTotals


class BackfillOutcome(NamedTuple):
    """A historical snapshot in short."""

    guarantors: int
    requests: int
    owes_nothing: bool
    """Nobody has a balance; what insurances are estimated to pay is that of today, and says nothing of the day."""


async def publish(db: Database, job: BackfillJob, result: BackfillResult, now: datetime) -> bool:
    """Publish what an order brought and end it, in one transaction; what was there of that day before is replaced.

    Returns:
        Whether that was still wanted: what an order brings that was cancelled meanwhile is not stored.

    Raises:
        OfficeNotEnrolled: no such office.
    """
    async with db.transaction() as connection:
        day = job.target
        office = await connection.scalar(select(schema.office.c.key).where(schema.office.c.id == day.office_id))
        if office is None:
            raise OfficeNotRegistered(day.office_id)
        stage = await connection.scalar(select(schema.backfill.c.stage).where(schema.backfill.c.number == job.number))
        if stage != JobState.OPEN.value:
            return False
        await _delete_day(connection, office, day.as_of)
        header = {
            "office": office,
            "as_of": day.as_of,
            "via": day.via.value,
            "published_at": now,
            "requests": result.requests,
            **result.totals._asdict(),
        }
        table = schema.historical_snapshot
        with constraint_errors(db.where):
            snapshot = await connection.scalar(insert(table).returning(table.c.id), header)
            if result.balances:
                await connection.exec_driver_sql(_ADD, [(snapshot, *balance) for balance in result.balances.values()])
        await connection.execute(
            schema.backfill.update().where(schema.backfill.c.number == job.number),
            {"stage": JobState.DONE.value, "not_before": None, "why": ""},
        )
        await backfill_jobs.drop_pages(connection, job.number)
    return True


async def load_outcomes(db: Database) -> dict[tuple[str, date], BackfillOutcome]:
    """What is held of every past day, in short, by office and day."""
    async with db.read_transaction() as connection:
        with decoding_errors(db.where):
            return {
                (row.id, date.fromisoformat(row.as_of)): BackfillOutcome(
                    row.guarantors, row.requests, bool(row.owes_nothing)
                )
                for row in await connection.execute(_OUTCOMES)
            }


async def find(db: Database, office_id: str, as_of: date | None = None) -> list[BackfilledSnapshot]:
    """The office's historical snapshots, oldest day first; with a day, the one of that day or none."""
    table = schema.historical_snapshot
    query = (
        select(table.c.id, table.c.as_of, table.c.via, table.c.published_at, table.c.requests, *_TOTALS)
        .join(schema.office, schema.office.c.key == table.c.office)
        .where(schema.office.c.id == office_id)
        .order_by(table.c.as_of)
    )
    if as_of is not None:
        query = query.where(table.c.as_of == as_of)
    async with db.read_transaction() as connection:
        with decoding_errors(db.where):
            rows = (await connection.execute(query)).all()
            return [
                BackfilledSnapshot(
                    number, office_id, day, BackfillMethod(via), at, requests, ControlTotals._make(totals)
                )
                for number, day, via, at, requests, *totals in map(tuple, rows)
            ]


async def load_balances(db: Database, snapshot_id: int) -> list[Balance]:
    """The balances of a historical snapshot, ordered by pat_num."""
    async with db.read_transaction() as connection:
        found = (await connection.exec_driver_sql(_BALANCES, (snapshot_id,))).scalar_one()
        with decoding_errors(db.where):
            return _decoder.decode(found)


async def _delete_day(connection: AsyncConnection, office: int, as_of: date) -> None:
    snapshot, balance = schema.historical_snapshot, schema.historical_balance
    previous = select(snapshot.c.id).where(snapshot.c.office == office, snapshot.c.as_of == as_of)
    await connection.execute(delete(balance).where(balance.c.snapshot.in_(previous)))
    await connection.execute(delete(snapshot).where(snapshot.c.office == office, snapshot.c.as_of == as_of))


BACKFILLED_DAY_COLUMNS = ("id", "as_of", "published_at", "via", *ControlTotals._fields)
"""The columns that `parse_backfilled_day` wants, in its order."""


@dataclass(frozen=True, slots=True)
class BackfilledDay:
    """An office's balances as of a day that was over when they were read, by order: no snapshot, and beside them."""

    key: int
    """Of its rows."""
    aging_date: date
    published_at: datetime
    via: BackfillMethod
    totals: ControlTotals


def parse_backfilled_day(values: Sequence[Any]) -> BackfilledDay:
    """Build one from the values of `BACKFILLED_DAY_COLUMNS` as SQLite holds them.

    Raises:
        ValueError, TypeError: a value is none that was ever stored.
    """
    key, day, at, via, *totals = values
    control_totals = ControlTotals._make(map(int, totals))
    return BackfilledDay(key, date.fromisoformat(day), datetime.fromisoformat(at), BackfillMethod(via), control_totals)
