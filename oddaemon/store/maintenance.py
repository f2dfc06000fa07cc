"""What the housekeeper asks of the database."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import anyio
import anyio.to_thread

from oddaemon.store.copying import reading
from oddaemon.store.database import Database
from oddaemon.store.errors import explained

PROBLEMS_MAX = 20
"""A damaged file has thousands; the first ones tell which tables."""


async def wal_checkpoint(db: Database) -> bool:
    """Move the write-ahead log into the database file and cut it to nothing.

    Returns:
        False if a reader stood in the way; nothing is lost, the next one will do.
    """
    ((busy, *_),) = await db.one_statement("PRAGMA wal_checkpoint(TRUNCATE)")
    return not busy


async def integrity_check(db: Database) -> list[str]:
    """Read every page of the file and compare indexes with tables: minutes on a large fleet, beside all other work.

    Returns:
        What is wrong, at most `PROBLEMS_MAX` lines; empty: the file is sound.
    """
    stop = threading.Event()
    try:
        return await anyio.to_thread.run_sync(_problems, db.path, stop, abandon_on_cancel=True)
    finally:
        stop.set()


def _problems(path: Path, stop: threading.Event) -> list[str]:
    with explained(path), closing(reading(path)) as connection:
        connection.set_progress_handler(stop.is_set, 100_000)
        return integrity_problems(connection)


def integrity_problems(connection: sqlite3.Connection) -> list[str]:
    """What is wrong with the file, at most `PROBLEMS_MAX` lines."""
    try:
        lines = [" ".join(line.split()) for (line,) in connection.execute(f"PRAGMA integrity_check({PROBLEMS_MAX})")]
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return [] if lines == ["ok"] else lines
