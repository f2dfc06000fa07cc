"""How values are stored: balances and states as JSON texts, a snapshot's facts as columns."""

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from oddaemon.core.model import Balance, ControlTotals, PublishedSnapshot, Reader
from oddaemon.store.column_types import parse_date, parse_instant, parse_optional_instant

BALANCE_COLUMNS = ", ".join(Balance._fields)
"""A `Balance`, in SQL."""
_SNAPSHOT_FIELDS = (
    *("id", "aging_date", "observed_at", "published_at", "reader", "requests"),
    *("new_guarantors", "changed_guarantors", "cleared_guarantors", "pull_seconds", "late_at"),
    *ControlTotals._fields,
)
SNAPSHOT_COLUMNS = ", ".join(f"snapshot.{name}" for name in _SNAPSHOT_FIELDS)
"""What to select for `parse_snapshot`, in SQL."""
SNAPSHOTS_OF_OFFICE = f"SELECT {SNAPSHOT_COLUMNS} FROM snapshot WHERE office = :office ORDER BY id"  # noqa: S608 - our own column names

_encode = msgspec.json.Encoder().encode
decode_balances = msgspec.json.Decoder(list[Balance]).decode
"""The balances of a JSON text; `msgspec.DecodeError`: they are none."""


def encode_json(value: object) -> str:
    """The value as JSON text."""
    return _encode(value).decode()


def encode_rows(texts: Collection[bytes]) -> str:
    """Rows as one JSON text, as `decode_balances` takes it.

    Args:
        texts: Of each row the integers, with commas.
    """
    return f"[[{b'],['.join(texts).decode()}]]" if texts else "[]"


def split_rows(rows: str) -> list[bytes]:
    """The rows of a JSON text that a database made: of each the integers with commas, or whatever stands there."""
    # PostgreSQL writes a space after each comma, and each row on a line of its own.
    text = rows.encode().translate(None, b" \n")
    return text[2:-2].split(b"],[") if len(text) > len("[]") else []


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
        aging_date=parse_date(aging_date),
        observed_at=parse_instant(observed_at),
        published_at=parse_instant(published_at),
        reader=Reader(reader),
        requests=requests,
        totals=ControlTotals._make(totals),
        new=new,
        changed=changed,
        cleared=cleared,
        pull_seconds=pull_seconds,
        late_at=parse_optional_instant(late_at),
    )
