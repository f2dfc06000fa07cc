"""One published snapshot as the database lists it: everything but its balances."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from oddaemon.core.model import ControlTotals, Reader
from oddaemon.store import schema

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
"""What to select for `snapshot_row`, in its order."""
SNAPSHOT_NAMES = tuple(column.name for column in SNAPSHOT_COLUMNS)
"""The same by name, for `snapshot_row_of_texts`."""


@dataclass(frozen=True, slots=True)
class SnapshotRow:
    """One published snapshot."""

    id: int
    """Rises with every publication of any office; never given twice."""
    office_id: str
    aging_date: date
    observed_at: datetime
    published_at: datetime
    reader: Reader
    requests: int
    totals: ControlTotals
    new: int
    changed: int
    cleared: int
    """Guarantors that became so since the office's snapshot before."""
    pull_seconds: float = 0.0
    """From the pull's first request; 0: of a version that did not keep it."""
    late_at: datetime | None = None
    """From when on it was called late; None: never, or not kept."""
    verified: bool = True
    """Only verified snapshots are ever published."""

    @property
    def started(self) -> int:
        """Versions of balances that began with it."""
        return self.new + self.changed

    @property
    def ended(self) -> int:
        """Versions of balances that were true until it came."""
        return self.changed + self.cleared


def snapshot_row_of_texts(office_id: str, values: Sequence[Any]) -> SnapshotRow:
    """Build one from the values of `SNAPSHOT_NAMES` as SQLite holds them.

    Raises:
        ValueError, TypeError: a value is none that was ever stored.
    """
    row = dict(zip(SNAPSHOT_NAMES, values, strict=True))
    row["aging_date"] = date.fromisoformat(row["aging_date"])
    for name in ("observed_at", "published_at", "late_at"):
        row[name] = None if row[name] is None else datetime.fromisoformat(row[name])
    return snapshot_row(office_id, tuple(row.values()))


def snapshot_row(office_id: str, values: Sequence[Any]) -> SnapshotRow:
    """Build one from the values of `SNAPSHOT_COLUMNS`."""
    snapshot_id, aging_date, observed_at, published_at, reader, requests, new, changed, cleared, *rest = values
    pull_seconds, late_at, *totals = rest
    return SnapshotRow(
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
