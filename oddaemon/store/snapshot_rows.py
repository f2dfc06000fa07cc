"""Published snapshots without their balances, as the database stores them; and the times of recent nights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import select

from oddaemon.core.model import ControlTotals, PublishedSnapshot, Reader
from oddaemon.store import schema
from oddaemon.store.database import Database
from oddaemon.store.errors import decoding_errors


@dataclass(frozen=True, slots=True)
class NightTime:
    """When a snapshot was published and how long its pull took."""

    snapshot_id: int
    aging_date: date
    published_at: datetime
    late_at: datetime | None
    pull_seconds: float


async def load_night_times(db: Database, since: datetime, after_id: int = 0) -> Mapping[str, list[NightTime]]:
    """The times of snapshots published since then, with a higher id than `after_id`; by office, oldest first."""
    columns = ("id", "aging_date", "published_at", "late_at", "pull_seconds")
    query = (
        select(schema.office.c.id, *(schema.snapshot.c[name] for name in columns))
        .join(schema.office, schema.office.c.key == schema.snapshot.c.office)
        .where(schema.snapshot.c.id > after_id, schema.snapshot.c.published_at >= since)
        .order_by(schema.snapshot.c.id)
    )
    found: dict[str, list[NightTime]] = {}
    async with db.read_transaction() as connection:
        with decoding_errors(db.where):
            for office_id, *values in (await connection.execute(query)).all():
                found.setdefault(office_id, []).append(NightTime(*values))
    return found


_TOTALS = tuple(schema.snapshot.c[name] for name in ControlTotals._fields)

SNAPSHOT_COLUMNS = (
    schema.snapshot.c.id,
    schema.snapshot.c.aging_date,
    schema.snapshot.c.observed_at,
    schema.snapshot.c.published_at,
    schema.snapshot.c.reader,
    schema.snapshot.c.requests,
    schema.snapshot.c.new_guarantors,
    schema.snapshot.c.changed_guarantors,
    schema.snapshot.c.cleared_guarantors,
    schema.snapshot.c.pull_seconds,
    schema.snapshot.c.late_at,
    *_TOTALS,
)
"""What to select for `make_snapshot_row`, in its order."""
SNAPSHOT_COLUMN_NAMES = tuple(column.name for column in SNAPSHOT_COLUMNS)
"""The same by name, for `parse_snapshot_row`."""
SNAPSHOTS_OF_OFFICE = f"SELECT {', '.join(SNAPSHOT_COLUMN_NAMES)} FROM snapshot WHERE office = ? ORDER BY id"  # noqa: S608 - our own column names


def parse_snapshot_row(office_id: str, values: Sequence[Any]) -> PublishedSnapshot:
    """Build one from the values of `SNAPSHOT_COLUMN_NAMES`, as SQLite holds them.

    Raises:
        ValueError, TypeError: a value cannot have been stored by this program.
    """
    row = dict(zip(SNAPSHOT_COLUMN_NAMES, values, strict=True))
    row["aging_date"] = date.fromisoformat(row["aging_date"])
    for name in ("observed_at", "published_at", "late_at"):
        row[name] = None if row[name] is None else datetime.fromisoformat(row[name])
    return make_snapshot_row(office_id, tuple(row.values()))


def make_snapshot_row(office_id: str, values: Sequence[Any]) -> PublishedSnapshot:
    """Build one from the values of `SNAPSHOT_COLUMNS`."""
    snapshot_id, aging_date, observed_at, published_at, reader, requests, new, changed, cleared, *rest = values
    pull_seconds, late_at, *totals = rest
    return PublishedSnapshot(
        id=snapshot_id,
        office_id=office_id,
        aging_date=aging_date,
        observed_at=observed_at,
        published_at=published_at,
        reader=Reader(reader),
        requests=requests,
        totals=ControlTotals._make(totals),
        new=new,
        changed=changed,
        cleared=cleared,
        pull_seconds=pull_seconds,
        late_at=late_at,
    )
