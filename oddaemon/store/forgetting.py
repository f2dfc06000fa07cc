"""Removing every trace of an office: its rows, and the bytes that they left in the file.

SQLite leaves what was deleted where it was until something else needs the space. So the rows are deleted with
`secure_delete`, the file is written anew (VACUUM), which takes what earlier deletions left, and the log is folded back
and cut to nothing. The office's own row goes last: whoever is interrupted finds it, and begins again.

Proof is what a person would look for: patterns of the office that are in the files before, byte by byte, and must be in
none afterwards. The files are read while SQLite has them closed, as closing a descriptor of its own takes away the
locks that it holds.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio.to_thread
from sqlalchemy import ColumnElement, Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from oddaemon.core.model import MONEY_COLUMNS
from oddaemon.store import schema
from oddaemon.store.archive import Archive
from oddaemon.store.copying import reading, size_bytes
from oddaemon.store.database import Database
from oddaemon.store.errors import explained
from oddaemon.store.location import database_path
from oddaemon.store.maintenance import SECURE_DELETE, fold_back, vacuum
from oddaemon.store.room import require_room

SUFFIXES = ("", "-wal", "-journal")
SAMPLE = 200
"""Balances that are looked for, the latest ones of each table."""
PATTERN_BYTES_MIN = 12
"""Shorter ones may be in the file by chance."""
CHUNK_BYTES = 8 * 1024 * 1024

_AMOUNTS = ", ".join(("clinic_num", *MONEY_COLUMNS))
_LATEST = f"SELECT {_AMOUNTS} FROM balance WHERE office = ?1 ORDER BY valid_from DESC LIMIT {SAMPLE}"  # noqa: S608 - our own names
_PAST = (
    f"SELECT {_AMOUNTS} FROM historical_balance WHERE snapshot IN"  # noqa: S608 - the same
    f" (SELECT id FROM historical_snapshot WHERE office = ?1) LIMIT {SAMPLE}"
)
_OTHERS = f"SELECT 1 FROM balance WHERE office <> ?1 AND ({_AMOUNTS}) = (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) LIMIT 1"  # noqa: S608 - the same
_TEXTS = (
    # Texts of one row stand side by side in the file.
    "SELECT id || name FROM office WHERE key = ?1",
    "SELECT delivery_id FROM delivery WHERE office = ?1 ORDER BY number DESC LIMIT 50",
    "SELECT substr(balances, 1, 60) FROM pull_page WHERE office = ?1 AND length(balances) > 30 LIMIT 50",
)
_PARENTS = {"historical_balance": ("snapshot", schema.historical_snapshot)}
"""What refers to a table without saying so to the database."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What went, and the proof that it did."""

    rows: dict[str, int]
    """By table; those that had none are left out."""
    looked_for: int
    """Different patterns of the office."""
    found_before: int
    """How many of them were in the files."""
    found_after: int
    """How many still are: 0 but for a reader that kept the log alive."""


async def forget(url: str, office_id: str) -> Forgotten:
    """Remove an office from a database that no daemon has open.

    Args:
        url: a path, or a SQLAlchemy URL of SQLite.
        office_id: which; whoever calls has made sure that it is no longer configured.

    Raises:
        DatabaseMissing: there is no database.
        OfficeUnknown: nothing is stored of it.
        DatabaseHeld: a daemon has the database open.
        DatabaseUnusable: the file or its disk fails, has no room for a copy, or another program keeps its log alive;
            the office is still there, in part: do it again.
    """
    path, key, patterns, found_before = await anyio.to_thread.run_sync(_looked_at, database_path(url), office_id)
    async with Database.open(url) as database:
        await database.one_statement(SECURE_DELETE)
        async with database.transaction() as connection:
            rows = await _forget_rows(connection, key)
        await vacuum(database)
        await database.one_statement("DELETE FROM office WHERE key = ?", (key,))
        await fold_back(database)
    found_after = await anyio.to_thread.run_sync(_found, path, patterns)
    return Forgotten({**rows, "office": 1}, len(patterns), found_before, found_after)


def tables_of_offices() -> list[Table]:
    """Every table that holds something of an office, those that refer to others first, the offices last."""
    found = [table for table in reversed(schema.metadata.sorted_tables) if _leads(table) is not None]
    return [*sorted(found, key=lambda table: table.name not in _PARENTS), schema.office]


async def _forget_rows(connection: AsyncConnection, key: int) -> dict[str, int]:
    forgotten: dict[str, int] = {}
    for table in tables_of_offices()[:-1]:
        done = await connection.execute(table.delete().where(_belongs(table, key)))
        if done.rowcount:
            forgotten[table.name] = done.rowcount
    return forgotten


def _belongs(table: Table, key: int) -> ColumnElement[bool]:
    """Which rows of a table that knows offices are this one's."""
    lead = _leads(table)
    assert lead is not None, "it leads to an office"
    column, parent = lead
    if parent is schema.office:
        return table.c[column] == key
    (primary,) = parent.primary_key
    return table.c[column].in_(select(primary).where(_belongs(parent, key)))


def _leads(table: Table) -> tuple[str, Table] | None:
    """By which column and over which table its rows belong to an office."""
    if "office" in table.c:
        return "office", schema.office
    if table.name in _PARENTS:
        return _PARENTS[table.name]
    for foreign in table.foreign_keys:
        if _leads(foreign.column.table) is not None:
            return foreign.parent.name, foreign.column.table
    return None


def _looked_at(path: Path, office_id: str) -> tuple[Path, int, frozenset[bytes], int]:
    """The database's file, the office's key, the patterns to look for, and how many of them are there."""
    with Archive.open(path) as archive:
        path, key = archive.path, archive.office(office_id).key
    require_room(path, size_bytes(path), f"The database {path} cannot be written anew")
    with explained(path), closing(reading(path)) as connection:
        patterns = frozenset(_patterns(connection, key))
    return path, key, patterns, _found(path, patterns)


def _patterns(connection: sqlite3.Connection, key: int) -> Iterator[bytes]:
    """What a person who knows the office would look for in the file."""
    for query in _TEXTS:
        yield from (text.encode() for (text,) in connection.execute(query, (key,)))
    for query in (_LATEST, _PAST):
        for amounts in connection.execute(query, (key,)).fetchall():
            pattern = b"".join(map(_stored, amounts))
            if len(pattern) >= PATTERN_BYTES_MIN and not connection.execute(_OTHERS, (key, *amounts)).fetchone():
                yield pattern


def _stored(value: Any) -> bytes:  # noqa: ANN401 - a column's value, which is an integer
    """An integer as SQLite's record format has it: nothing at all for 0 and 1, else the fewest bytes of its sizes."""
    if value in {0, 1}:
        return b""
    size = next(size for size in (1, 2, 3, 4, 6, 8) if -(1 << 8 * size - 1) <= value < 1 << 8 * size - 1)
    return int(value).to_bytes(size, "big", signed=True)


def _found(path: Path, patterns: Iterable[bytes]) -> int:
    """How many of the patterns are anywhere in the database's files."""
    missing = set(patterns)
    overlap = max(map(len, missing), default=1) - 1
    for suffix in SUFFIXES:
        place = path.with_name(path.name + suffix)
        with explained(path):
            if not place.exists():
                continue
            with place.open("rb") as file:
                tail = b""
                while missing and (chunk := file.read(CHUNK_BYTES)):
                    text = tail + chunk
                    missing -= {pattern for pattern in missing if pattern in text}
                    tail = text[-overlap:] if overlap else b""
    return len(set(patterns)) - len(missing)
