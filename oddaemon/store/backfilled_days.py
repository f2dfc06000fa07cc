"""Balances of past days, read on demand (`oddaemon backfill`). They stand beside the snapshots, never among them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import Date

from oddaemon.core.backfill.job import BackfillJob, BackfillMethod, BackfillResult, JobState
from oddaemon.core.model import ControlTotals
from oddaemon.store import backfill_jobs, schema
from oddaemon.store.column_types import Instant, parse_date, parse_instant
from oddaemon.store.database import Database, Transaction
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


_OFFICE_KEY = make_statement("SELECT key FROM office WHERE id = :office")
_STAGE = make_statement("SELECT stage FROM backfill WHERE number = :number")
_DELETE_BALANCES = make_statement(
    "DELETE FROM historical_balance WHERE snapshot IN "
    "(SELECT id FROM historical_snapshot WHERE office = :office AND as_of = :as_of)",
    as_of=Date(),
)
_DELETE_DAY = make_statement("DELETE FROM historical_snapshot WHERE office = :office AND as_of = :as_of", as_of=Date())
_COLUMNS = [column.name for column in schema.historical_snapshot.c if column.name != "id"]
_INSERT = make_statement(
    f"INSERT INTO historical_snapshot ({', '.join(_COLUMNS)}) "  # noqa: S608 - our own column names
    f"VALUES ({', '.join(f':{name}' for name in _COLUMNS)}) RETURNING id",
    as_of=Date(),
    published_at=Instant(),
)
_END_JOB = make_statement("UPDATE backfill SET stage = :stage, not_before = NULL, why = '' WHERE number = :number")


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
    day = job.target
    header = {
        "as_of": day.as_of,
        "via": day.via.value,
        "published_at": now,
        "requests": result.requests,
        **result.totals._asdict(),
    }
    where = db.where

    def write(transaction: Transaction) -> bool:
        found = transaction.execute(_OFFICE_KEY, {"office": day.office_id})
        if not found:
            raise OfficeNotRegistered(day.office_id)
        if transaction.execute(_STAGE, {"number": job.number}) != [(JobState.OPEN.value,)]:
            return False
        ((office_key,),) = found
        for statement in (_DELETE_BALANCES, _DELETE_DAY):
            transaction.execute(statement, {"office": office_key, "as_of": day.as_of})
        with constraint_errors(where):
            ((snapshot,),) = transaction.execute(_INSERT, {"office": office_key, **header})
            rows = iter(result.balances)
            while batch := list(islice(rows, _ROWS_AT_ONCE)):
                transaction.insert_balances(schema.historical_balance, {"snapshot": snapshot}, batch)
        transaction.execute(_END_JOB, {"number": job.number, "stage": JobState.DONE.value})
        transaction.execute(backfill_jobs.DROP_PAGES, {"number": job.number})
        return True

    return await db.run(write)


async def load_outcomes(db: Database) -> dict[tuple[str, date], BackfillOutcome]:
    """Every backfilled day in short, by office and day."""
    return dict(await db.fetch(_OUTCOMES, {}, _parse_outcome))


def _parse_outcome(row: Sequence[Any]) -> tuple[tuple[str, date], BackfillOutcome]:
    office_id, as_of, guarantors, requests, owes_nothing = row
    return (office_id, parse_date(as_of)), BackfillOutcome(guarantors, requests, bool(owes_nothing))


def parse_backfilled_day(office_id: str, values: Sequence[Any]) -> BackfilledDay:
    """Build one from the values of `BACKFILLED_DAY_COLUMNS`, as the database's driver returns them.

    Raises:
        ValueError, TypeError: a value cannot have been stored by this program.
    """
    number, day, at, via, *totals = values
    control_totals = ControlTotals._make(map(int, totals))
    return BackfilledDay(number, office_id, parse_date(day), parse_instant(at), BackfillMethod(via), control_totals)
