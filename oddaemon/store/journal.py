"""The journal of each office: the last so many decisions and exchanges, for whoever asks why it stands as it does.

It is a convenience beside the truth: nothing is ever decided by it, and losing some of it loses nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy import select, text

from oddaemon.store import schema
from oddaemon.store.database import Database
from oddaemon.store.errors import legible

_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(dict[str, object])

_ADD = text(
    "INSERT INTO journal (office, at, level, event, fields) "
    "SELECT office.key, :at, :level, :event, :fields FROM office WHERE office.id = :office"
)
_BOUND = text(
    "DELETE FROM journal WHERE office = (SELECT office.key FROM office WHERE office.id = :office) AND number <= "
    "(SELECT number FROM journal WHERE office = (SELECT office.key FROM office WHERE office.id = :office) "
    "ORDER BY number DESC LIMIT 1 OFFSET :kept)"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened to an office."""

    office_id: str
    at: datetime
    level: str
    """"info", "warning" …"""
    event: str
    """The name of an event, or `asked` for requests folded into one entry."""
    fields: Mapping[str, object]
    """The event's own, ready for JSON."""


async def append(db: Database, entries: Sequence[Entry], kept: int) -> None:
    """Add entries in their order, and forget all but the last `kept` of each office that got some.

    Entries of an office that was never enrolled are passed over.
    """
    rows = [
        {
            "office": entry.office_id,
            "at": schema.instant_text(entry.at),
            "level": entry.level,
            "event": entry.event,
            "fields": _encode(entry.fields).decode(),
        }
        for entry in entries
    ]
    if not rows:
        return
    offices = [{"office": office_id, "kept": kept} for office_id in dict.fromkeys(entry.office_id for entry in entries)]
    async with db.transaction() as connection:
        await connection.execute(_ADD, rows)
        await connection.execute(_BOUND, offices)


async def latest(db: Database, office_id: str, limit: int) -> list[Entry]:
    """The last `limit` entries of an office, oldest first."""
    query = (
        select(schema.journal.c.at, schema.journal.c.level, schema.journal.c.event, schema.journal.c.fields)
        .join(schema.office, schema.office.c.key == schema.journal.c.office)
        .where(schema.office.c.id == office_id)
        .order_by(schema.journal.c.number.desc())
        .limit(limit)
    )
    async with db.reading() as connection:
        with legible(db.path):
            rows = (await connection.execute(query)).all()
            return [Entry(office_id, row.at, row.level, row.event, _decoder.decode(row.fields)) for row in rows][::-1]
