"""Backfill jobs and their progress. A page and its progress are one row, so neither can be ahead of the other."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Date, Row, Select, Update, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from oddaemon.core.backfill.job import BackfillJob, BackfillMethod, BackfillTarget, JobState
from oddaemon.core.model import Balance
from oddaemon.core.reporting.command_hints import REPEAT_BACKFILL
from oddaemon.core.snapshot.aging_report import ReportCursor
from oddaemon.store import schema
from oddaemon.store.column_types import Instant
from oddaemon.store.database import Database
from oddaemon.store.dialect import DialectStatement, make_statement
from oddaemon.store.errors import OfficeNotRegistered
from oddaemon.store.values import decode_balances, encode_json

_backfill, _page, _office = schema.backfill.c, schema.backfill_page.c, schema.office.c

_INSERT_JOB = make_statement(
    "INSERT INTO backfill (office, as_of, via, query, ordered_at, stage, attempts, rereads, why) "
    "SELECT office.key, :as_of, :via, :query, :ordered_at, 'open', 0, 0, '' FROM office WHERE office.id = :office "
    "RETURNING number",
    as_of=Date(),
    ordered_at=Instant(),
)
DROP_PAGES = make_statement("DELETE FROM backfill_page WHERE backfill = :number")
"""Deletes what a job has read."""
_INSERT_PAGE = make_statement(
    "INSERT INTO backfill_page (backfill, balances, progress) "
    "SELECT number, :balances, :progress FROM backfill WHERE number = :number AND stage = 'open'"
)
_COUNT_PAGES = DialectStatement(
    lambda dialect: (
        f"SELECT backfill, COUNT(*), SUM({dialect.measure_json('balances')}) FROM backfill_page GROUP BY backfill"  # noqa: S608 - our own text
    )
)
CANCELLED_MESSAGE = f"Cancelled. {REPEAT_BACKFILL}"


class JobData(NamedTuple):
    """What a job has read so far; each request is a page."""

    progress: ReportCursor = ReportCursor()
    balances: tuple[Balance, ...] = ()
    requests: int = 0


class _PageProgress(msgspec.Struct):
    """The progress that is stored with a page."""

    progress: ReportCursor
    scope: str


_progress_decoder = msgspec.json.Decoder(_PageProgress)


class JobCounts(NamedTuple):
    """How much a job has read so far."""

    requests: int = 0
    rows: int = 0


async def get_or_create(db: Database, target: BackfillTarget, now: datetime) -> BackfillJob:
    """Create a job, or return the open one with the same target, which keeps what it has read.

    Any other job for the same office and day is deleted, with what it has read.

    Raises:
        OfficeNotRegistered: no such office.
    """
    row = {
        "office": target.office_id,
        "as_of": target.as_of,
        "via": target.via.value,
        "query": target.query,
        "ordered_at": now,
    }
    async with db.transaction() as connection:
        same_day = _select_jobs().where(_office.id == target.office_id, _backfill.as_of == target.as_of)
        for existing in map(_parse_job, (await connection.execute(same_day)).all()):
            if existing.state is JobState.OPEN and existing.target == target:
                return existing
            await drop_pages(connection, existing.number)
            await connection.execute(delete(schema.backfill).where(_backfill.number == existing.number))
        number = (await connection.execute(_INSERT_JOB, row)).scalar_one_or_none()
        if number is None:
            raise OfficeNotRegistered(target.office_id)
    return BackfillJob(number, target, now)


async def list_jobs(db: Database, stage: JobState | None = None) -> list[BackfillJob]:
    """Every job, or those in this state, oldest first."""
    query = _select_jobs() if stage is None else _select_jobs().where(_backfill.stage == stage.value)
    return await db.select(query, _parse_job)


async def cancel(db: Database, office_id: str, days: Collection[date] = ()) -> list[BackfillJob]:
    """Cancel the office's open jobs, or those for these days, and delete what they have read.

    Returns:
        The cancelled jobs.
    """
    open_jobs = _select_jobs().where(_office.id == office_id, _backfill.stage == JobState.OPEN.value)
    async with db.transaction() as connection:
        jobs = [_parse_job(row) for row in (await connection.execute(open_jobs)).all()]
        cancelled = [
            replace(job, state=JobState.CANCELLED, not_before=None, why=CANCELLED_MESSAGE)
            for job in jobs
            if not days or job.target.as_of in days
        ]
        for job in cancelled:
            await connection.execute(_update_job(job), {"stage": job.state.value, "not_before": None, "why": job.why})
            await drop_pages(connection, job.number)
    return cancelled


async def load_counts(db: Database) -> dict[int, JobCounts]:
    """How much each job has read, by its number; without jobs that have read nothing."""
    return dict(await db.fetch(_COUNT_PAGES.render(db.dialect), {}, lambda row: (row[0], JobCounts(*row[1:]))))


async def save(db: Database, job: BackfillJob) -> None:
    """Save an open job. What it has read is kept, unless it starts again or is over."""
    columns = {name: getattr(job, name) for name in ("not_before", "attempts", "rereads", "why")}
    async with db.transaction() as connection:
        is_open = (_backfill.number == job.number, _backfill.stage == JobState.OPEN.value)
        rereads = await connection.scalar(select(_backfill.rereads).where(*is_open))
        if rereads is None:
            return
        await connection.execute(_update_job(job), {**columns, "stage": job.state.value})
        if job.state is not JobState.OPEN or rereads != job.rereads:
            await drop_pages(connection, job.number)


async def add_page(db: Database, number: int, page: Sequence[Balance], progress: ReportCursor, scope: str) -> None:
    """Add a page and its progress: both or neither. Nothing is added to a job that is over.

    `scope` says which guarantors the office's settings include.
    """
    stored_progress = encode_json(_PageProgress(progress, scope))
    await db.execute_one(_INSERT_PAGE, {"balances": encode_json(page), "progress": stored_progress, "number": number})


async def load_data(db: Database, number: int, scope: str) -> JobData:
    """The progress and the balances of a job.

    Pages that were read for another scope, such as other clinics, or that cannot be decoded, are deleted: the job
    starts from the beginning.
    """
    query = select(_page.balances, _page.progress).where(_page.backfill == number).order_by(_page.number)
    pages = await db.select(query, tuple)
    if not pages:
        return JobData()
    with suppress(msgspec.DecodeError):
        stored = _progress_decoder.decode(pages[-1][1])
        balances = tuple(balance for text, _ in pages for balance in decode_balances(text))
        if stored.scope == scope:
            return JobData(stored.progress, balances, len(pages))
    async with db.transaction() as connection:
        await drop_pages(connection, number)
    return JobData()


async def drop_pages(connection: AsyncConnection, number: int) -> None:
    """Delete what a job has read, as part of a larger transaction."""
    await connection.execute(DROP_PAGES, {"number": number})


def _select_jobs() -> Select[Any]:
    return select(_office.id, schema.backfill).join(schema.office).order_by(_backfill.number)


def _update_job(job: BackfillJob) -> Update:
    return update(schema.backfill).where(_backfill.number == job.number)


def _parse_job(row: Row[Any]) -> BackfillJob:
    return BackfillJob(
        number=row.number,
        target=BackfillTarget(row.id, row.as_of, BackfillMethod(row.via), row.query),
        created_at=row.ordered_at,
        state=JobState(row.stage),
        not_before=row.not_before,
        attempts=row.attempts,
        rereads=row.rereads,
        why=row.why,
    )
