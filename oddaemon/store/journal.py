"""The journal of each office: its latest decisions and requests, to explain its condition.

It is for people only: no decision depends on it, and losing entries loses nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import msgspec

from oddaemon.core.reporting.legacy_names import translate_names
from oddaemon.store.column_types import Instant, parse_instant
from oddaemon.store.database import Database
from oddaemon.store.dialect import make_statement
from oddaemon.store.values import encode_json

_decoder = msgspec.json.Decoder(dict[str, object])

_ADD = make_statement(
    "INSERT INTO journal (office, at, level, event, fields) "
    "SELECT office.key, :at, :level, :event, :fields FROM office WHERE office.id = :office",
    at=Instant(),
)
_LATEST = make_statement(
    "SELECT journal.at, journal.level, journal.event, journal.fields FROM journal JOIN office "
    "ON office.key = journal.office WHERE office.id = :office ORDER BY journal.number DESC LIMIT :limit"
)
_TRIM = make_statement(
    "DELETE FROM journal WHERE office = (SELECT office.key FROM office WHERE office.id = :office) AND number <= "
    "(SELECT number FROM journal WHERE office = (SELECT office.key FROM office WHERE office.id = :office) "
    "ORDER BY number DESC LIMIT 1 OFFSET :kept)"
)


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One event of an office."""

    office_id: str
    at: datetime
    level: str
    """"info", "warning" …"""
    event: str
    """The name of an event; `requests_summarized` for several requests in one entry."""
    fields: Mapping[str, object]
    """The fields of the event, ready for JSON."""


async def append(db: Database, entries: Sequence[JournalEntry], entries_max: int) -> None:
    """Add entries in their order, then delete all but the last `entries_max` of each of their offices.

    Entries of offices that are not registered are ignored.
    """
    rows = [
        {
            "office": entry.office_id,
            "at": entry.at,
            "level": entry.level,
            "event": entry.event,
            "fields": encode_json(entry.fields),
        }
        for entry in entries
    ]
    if not rows:
        return
    offices = [
        {"office": office_id, "kept": entries_max} for office_id in dict.fromkeys(entry.office_id for entry in entries)
    ]
    async with db.transaction() as connection:
        await connection.execute(_ADD, rows)
        await connection.execute(_TRIM, offices)


async def list_latest(db: Database, office_id: str, limit: int) -> list[JournalEntry]:
    """The last `limit` entries of an office, oldest first."""
    values = {"office": office_id, "limit": limit}
    return (await db.fetch(_LATEST, values, partial(_parse_entry, office_id)))[::-1]


def _parse_entry(office_id: str, row: Sequence[Any]) -> JournalEntry:
    at, level, event, fields = row
    names = translate_names(event, _decoder.decode(fields))
    return JournalEntry(office_id, parse_instant(at), level, *names)
