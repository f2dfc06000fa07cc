"""Balances of past days, read on demand (`oddaemon backfill`). They stand beside the snapshots, never among them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from oddaemon.core.backfill.job import BackfillJob, BackfillMethod, BackfillResult, JobState
from oddaemon.core.model import ControlTotals
from oddaemon.store import backfill_jobs, schema
from oddaemon.store.column_types import parse_date, parse_instant
from oddaemon.store.database import Database
from oddaemon.store.dialect import make_statement
from oddaemon.store.errors import OfficeNotRegistered, constraint_errors

_ROWS_AT_ONCE = 20_000
_OWED_COLUMNS = ("bal_0_30", "bal_31_60", "bal_61_90", "bal_over_90", "bal_total")
_OUTCOMES = make_statement(
    f"SELECT office.id, snapshot.as_of, snapshot.guarantors, snapshot.requests, "  # noqa: S608 - our own column names
    f"{' AND '.join(f'snapshot.{name} = 0' for name in _OWED_COLUMNS)} AND NOT EXISTS (SELECT 1 FROM "
    "historical_balance AS row "
    "WHERE row.snapshot = snapshot.id AND "
    f"({' OR '.join(f'row.{name} <> 0' for name in _OWED_COLUMNS)})) AS owes_nothing "
    "FROM historical_snapshot AS snapshot JOIN office ON office.key = snapshot.office"
)


BACKFILLED_DAY_COLUMNS = ("id", "as_of", "published_at", "via", *ControlTotals._fields)
"""What to select for `parse_backfilled_day`, in its order."""
BACKFILLED_DAYS_OF_OFFICE = (
    f"SELECT {', '.join(BACKFILLED_DAY_COLUMNS)} FROM historical_snapshot WHERE office = :office ORDER BY as_of"  # noqa: S608 - our own column names
)


@dataclass(frozen=True, slots=True)
class BackfilledDay:
    """An office's balances as of a past day, read on demand after it was over: stored beside the snapshots."""

    id: int
    """Among the backfilled days, which are numbered by themselves."""
    office_id: str
    aging_date: date
    published_at: datetime
    via: BackfillMethod
    totals: ControlTotals


class BackfillOutcome(NamedTuple):
    """A backfilled day in short."""

    guarantors: int
    requests: int
    owes_nothing: bool
    """No guarantor has a balance. The insurance estimates are not asked: they are today's, not those of the day."""


async def publish(db: Database, job: BackfillJob, result: BackfillResult, now: datetime) -> bool:
    """Publish the result of a job and end the job, in one transaction. An earlier result for the day is replaced.

    Returns:
        Whether it was published: the result of a job that was cancelled meanwhile is not stored.

    Raises:
        OfficeNotRegistered: no such office.
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
            rows = iter(result.balances)
            while batch := list(islice(rows, _ROWS_AT_ONCE)):
                await db.dialect.insert_balances(connection, schema.historical_balance, {"snapshot": snapshot}, batch)
        await connection.execute(
            schema.backfill.update().where(schema.backfill.c.number == job.number),
            {"stage": JobState.DONE.value, "not_before": None, "why": ""},
        )
        await backfill_jobs.drop_pages(connection, job.number)
    return True


async def load_outcomes(db: Database) -> dict[tuple[str, date], BackfillOutcome]:
    """Every backfilled day in short, by office and day."""
    return dict(await db.fetch(_OUTCOMES, {}, _parse_outcome))


def _parse_outcome(row: Sequence[Any]) -> tuple[tuple[str, date], BackfillOutcome]:
    office_id, as_of, guarantors, requests, owes_nothing = row
    return (office_id, parse_date(as_of)), BackfillOutcome(guarantors, requests, bool(owes_nothing))


async def _delete_day(connection: AsyncConnection, office: int, as_of: date) -> None:
    snapshot, balance = schema.historical_snapshot, schema.historical_balance
    previous = select(snapshot.c.id).where(snapshot.c.office == office, snapshot.c.as_of == as_of)
    await connection.execute(delete(balance).where(balance.c.snapshot.in_(previous)))
    await connection.execute(delete(snapshot).where(snapshot.c.office == office, snapshot.c.as_of == as_of))


def parse_backfilled_day(office_id: str, values: Sequence[Any]) -> BackfilledDay:
    """Build one from the values of `BACKFILLED_DAY_COLUMNS`, as the database's driver returns them.

    Raises:
        ValueError, TypeError: a value cannot have been stored by this program.
    """
    number, day, at, via, *totals = values
    control_totals = ControlTotals._make(map(int, totals))
    return BackfilledDay(number, office_id, parse_date(day), parse_instant(at), BackfillMethod(via), control_totals)
