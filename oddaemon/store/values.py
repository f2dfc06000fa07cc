"""How values are stored: instants and JSON as text, a snapshot's facts as columns.

Python's sqlite3 takes the interpreter lock for every row that it fetches, so a list of balances is one JSON text.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import msgspec
from sqlalchemy import Dialect, String, TypeDecorator

from oddaemon.core.model import Balance, ControlTotals, PublishedSnapshot, Reader

BALANCE_COLUMNS = ", ".join(Balance._fields)
"""A `Balance`, in SQL."""
_SNAPSHOT_FIELDS = (
    *("id", "aging_date", "observed_at", "published_at", "reader", "requests"),
    *("new_guarantors", "changed_guarantors", "cleared_guarantors", "pull_seconds", "late_at"),
    *ControlTotals._fields,
)
SNAPSHOT_COLUMNS = ", ".join(f"snapshot.{name}" for name in _SNAPSHOT_FIELDS)
"""What to select for `parse_snapshot`, in SQL."""
SNAPSHOTS_OF_OFFICE = f"SELECT {SNAPSHOT_COLUMNS} FROM snapshot WHERE office = ? ORDER BY id"  # noqa: S608 - our own column names

_encode = msgspec.json.Encoder().encode
decode_balances = msgspec.json.Decoder(list[Balance]).decode
"""The balances of a JSON text; `msgspec.DecodeError`: they are none."""


class Instant(TypeDecorator[datetime]):
    """An aware instant, stored as `2026-01-31T07:00:00.000000Z`."""

    impl = String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Aware datetime to text."""
        return None if value is None else format_instant(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Text to aware datetime."""
        return parse_instant(value)


def format_instant(instant: datetime) -> str:
    """Format an instant as it is stored.

    Raises:
        ValueError: the datetime is naive.
    """
    if instant.tzinfo is None:
        raise ValueError("A naive datetime cannot be stored; use an aware one.")
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_instant(text: str | None) -> datetime | None:
    """The instant of a column that may be null."""
    return None if text is None else datetime.fromisoformat(text)


def encode_json(value: object) -> str:
    """The value as JSON text."""
    return _encode(value).decode()


def parse_snapshot(office_id: str, values: Sequence[Any]) -> PublishedSnapshot:
    """Build one from the values of `SNAPSHOT_COLUMNS`, as the database's driver returns them.

    Raises:
        ValueError, TypeError: a value cannot have been stored by this program.
    """
    snapshot_id, aging_date, observed_at, published_at, reader, requests, new, changed, cleared, *rest = values
    pull_seconds, late_at, *totals = rest
    return PublishedSnapshot(
        id=snapshot_id,
        office_id=office_id,
        aging_date=date.fromisoformat(aging_date),
        observed_at=datetime.fromisoformat(observed_at),
        published_at=datetime.fromisoformat(published_at),
        reader=Reader(reader),
        requests=requests,
        totals=ControlTotals._make(totals),
        new=new,
        changed=changed,
        cleared=cleared,
        pull_seconds=pull_seconds,
        late_at=parse_instant(late_at),
    )
