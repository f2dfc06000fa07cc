"""When the last nights of all offices were published and how long their pulls took, for whoever expects the next."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select

from oddaemon.store import schema
from oddaemon.store.database import Database
from oddaemon.store.errors import legible


@dataclass(frozen=True, slots=True)
class NightTime:
    """One published snapshot."""

    snapshot_id: int
    aging_date: date
    published_at: datetime
    late_at: datetime | None
    pull_seconds: float


async def night_times(db: Database, since: datetime, after_id: int = 0) -> Mapping[str, list[NightTime]]:
    """By office, oldest first, in one query.

    Args:
        db: the database.
        since: only what was published from then on.
        after_id: only snapshots later than this one.
    """
    columns = ("id", "aging_date", "published_at", "late_at", "pull_seconds")
    query = (
        select(schema.office.c.id, *(schema.snapshot.c[name] for name in columns))
        .join(schema.office, schema.office.c.key == schema.snapshot.c.office)
        .where(schema.snapshot.c.id > after_id, schema.snapshot.c.published_at >= since)
        .order_by(schema.snapshot.c.id)
    )
    found: dict[str, list[NightTime]] = {}
    async with db.reading() as connection:
        with legible(db.path):
            for office_id, *values in (await connection.execute(query)).all():
                found.setdefault(office_id, []).append(NightTime(*values))
    return found
