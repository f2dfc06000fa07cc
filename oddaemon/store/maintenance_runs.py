"""The last run of each maintenance job, so that a restart neither skips a run nor repeats one."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from oddaemon.store import schema
from oddaemon.store.column_types import Instant, PeerText
from oddaemon.store.database import Database
from oddaemon.store.dialect import make_statement

_SAVE = make_statement(
    "INSERT INTO maintenance (job, seen_at, succeeded_at, result) VALUES (:job, :seen_at, :succeeded_at, :result) "
    "ON CONFLICT (job) DO UPDATE SET seen_at = excluded.seen_at, result = excluded.result, "
    "succeeded_at = coalesce(excluded.succeeded_at, maintenance.succeeded_at)",
    seen_at=Instant(),
    succeeded_at=Instant(),
    result=PeerText(),
)


@dataclass(frozen=True, slots=True)
class JobRun:
    """The last run of a job."""

    seen_at: datetime
    """Every run that was due until then is done or skipped."""
    succeeded_at: datetime | None = None
    """The last success; None: there was none."""
    result: str = ""
    """One sentence on the outcome of the last run."""


async def load_runs(db: Database) -> dict[str, JobRun]:
    """The last run of every job, by name."""
    table = schema.maintenance.c
    query = select(table.job, table.seen_at, table.succeeded_at, table.result)
    return dict(await db.select(query, lambda row: (row.job, JobRun(row.seen_at, row.succeeded_at, row.result))))


async def save_run(db: Database, job: str, run: JobRun) -> None:
    """Save the last run of a job. A failed run keeps the time of the last success."""
    row = {
        "job": job,
        "seen_at": run.seen_at,
        "succeeded_at": run.succeeded_at,
        "result": run.result,
    }
    async with db.transaction() as connection:
        await connection.execute(_SAVE, row)
