"""What the housekeeper remembers of each of its jobs, so that a restart neither forgets a run nor doubles one."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, text

from oddaemon.store import schema
from oddaemon.store.database import Database
from oddaemon.store.errors import legible

_REMEMBER = text(
    "INSERT INTO maintenance (job, seen_at, succeeded_at, result) VALUES (:job, :seen_at, :succeeded_at, :result) "
    "ON CONFLICT (job) DO UPDATE SET seen_at = excluded.seen_at, result = excluded.result, "
    "succeeded_at = coalesce(excluded.succeeded_at, succeeded_at)"
)


@dataclass(frozen=True, slots=True)
class Chore:
    """One job, as it was left."""

    seen_at: datetime
    """Every run that was due until then was done, or will not be."""
    succeeded_at: datetime | None = None
    """When it last ended well; None: never yet."""
    result: str = ""
    """One sentence on the last run."""


async def remembered(db: Database) -> dict[str, Chore]:
    """What is known of every job that ever was, by name."""
    table = schema.maintenance.c
    async with db.reading() as connection:
        with legible(db.path):
            rows = await connection.execute(select(table.job, table.seen_at, table.succeeded_at, table.result))
            return {row.job: Chore(row.seen_at, row.succeeded_at, row.result) for row in rows}


async def remember(db: Database, job: str, chore: Chore) -> None:
    """Keep this of a job; a failure does not forget the last success."""
    row = {
        "job": job,
        "seen_at": schema.instant_text(chore.seen_at),
        "succeeded_at": None if chore.succeeded_at is None else schema.instant_text(chore.succeeded_at),
        "result": chore.result,
    }
    async with db.transaction() as connection:
        await connection.execute(_REMEMBER, row)
