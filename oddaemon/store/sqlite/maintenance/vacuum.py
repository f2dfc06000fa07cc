"""Maintenance of an open database: checkpoint, vacuum, rotation of backups, integrity check."""

import sqlite3
import threading
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import anyio
import anyio.to_thread

from oddaemon.store.errors import DatabaseUnusable
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.store.sqlite.copy import VM_STEPS_PER_CHECK, find_problems, get_size_bytes, open_read_only
from oddaemon.store.sqlite.disk_space import require_space
from oddaemon.store.sqlite.errors import translate_errors
from oddaemon.store.sqlite.maintenance.rotation import BackupRotation, rotate
from oddaemon.store.sqlite.open_mark import MARK_OPEN

PROBLEMS_MAX = 20
"""A damaged file has thousands; the first ones show which tables are affected."""
SECURE_DELETE = "PRAGMA secure_delete = ON"
"""Overwrite deleted data with zeros."""
PAGES_PER_VACUUM_STEP = 256
"""A megabyte: some milliseconds of the only writer."""
SPARE_PERCENT = 5
"""The share of free pages that stays in the file: the next nights write into them."""


@dataclass(frozen=True, slots=True)
class VacuumResult:
    """The result of an incremental vacuum."""

    freed_bytes: int
    spare_bytes: int
    """Left free in the file for the next writes."""


async def checkpoint_wal(db: SqliteDatabase) -> bool:
    """Move the write-ahead log into the database file and truncate it.

    Returns:
        False if a reader blocked it; nothing is lost, the next checkpoint does it.
    """
    ((busy, *_),) = await db.execute_one("PRAGMA wal_checkpoint(TRUNCATE)")
    if not busy:
        db.file_guard.mark_settled()
        # The log of an open database is never empty (`open_mark`).
        await db.execute_one(MARK_OPEN)
    return not busy


async def vacuum(db: SqliteDatabase) -> None:
    """Rewrite the whole file without free pages and deleted data. Writers wait.

    Raises:
        DatabaseUnusable: the disk has no space for two copies, or as `truncate_wal`.
    """
    await require_vacuum_space(db)
    await db.vacuum()
    await truncate_wal(db)


async def require_vacuum_space(db: SqliteDatabase) -> None:
    """Check that the disk has space for two copies: SQLite's temporary one, and the one in the write-ahead log.

    Raises:
        DatabaseUnusable: it has not.
    """
    path = db.path
    size = await anyio.to_thread.run_sync(get_size_bytes, path)
    await anyio.to_thread.run_sync(require_space, path, 2 * size, f"The database {path} cannot be vacuumed")


async def truncate_wal(db: SqliteDatabase) -> None:
    """Truncate the write-ahead log, so that no deleted data remains in it.

    Raises:
        DatabaseUnusable: another program is reading the database.
    """
    if not await checkpoint_wal(db):
        raise DatabaseUnusable(
            f"The log of the database {db.path} cannot be truncated: another program has the database open.",
            "Close the program that has been reading it for long (a sqlite3 shell, an export, a backup tool). The "
            "daemon tries it again by itself; a command must be run again.",
            is_transient=True,
        )


async def run_incremental_vacuum(db: SqliteDatabase) -> VacuumResult:
    """Release free pages to the file system, a megabyte at a time; `SPARE_PERCENT` stays for the next nights.

    The file shrinks at a checkpoint of the write-ahead log, which is tried at the end.
    """
    page_bytes, pages = await db.read_pragma("page_size"), await db.read_pragma("page_count")
    free = await db.read_pragma("freelist_count")
    spare, freed = pages * SPARE_PERCENT // 100, 0
    while free - spare >= PAGES_PER_VACUUM_STEP:
        # From now on the file may shrink by its free pages and their entries in its free list.
        db.file_guard.allow_shrink_to((pages - free - free // 500 - 2) * page_bytes)
        await db.run_pragma_to_end(f"incremental_vacuum({PAGES_PER_VACUUM_STEP})")
        pages, still_free = await db.read_pragma("page_count"), await db.read_pragma("freelist_count")
        if still_free >= free:
            break
        freed, free = freed + free - still_free, still_free
    if freed:
        await checkpoint_wal(db)
    return VacuumResult(freed * page_bytes, free * page_bytes)


async def rotate_backups(db: SqliteDatabase, directory: Path, keep: int, now: datetime) -> BackupRotation:
    """Make a backup in the directory and delete the oldest ones, in a thread.

    Raises:
        StoreError: as `rotate`.
    """
    stop = threading.Event()
    try:
        return await anyio.to_thread.run_sync(rotate, db.path, directory, keep, now, stop, abandon_on_cancel=True)
    finally:
        stop.set()


async def check_integrity(db: SqliteDatabase) -> list[str]:
    """Read every page of the file and compare indexes with tables, in a thread: minutes on a large fleet.

    Returns:
        The problems, at most `PROBLEMS_MAX` lines; empty: the file is intact.
    """
    stop = threading.Event()
    try:
        return await anyio.to_thread.run_sync(_check_file, db.path, stop, abandon_on_cancel=True)
    finally:
        stop.set()


def _check_file(path: Path, stop: threading.Event) -> list[str]:
    with translate_errors(path), closing(open_read_only(path)) as connection:
        connection.set_progress_handler(stop.is_set, VM_STEPS_PER_CHECK)
        return find_integrity_problems(connection)


def find_integrity_problems(connection: sqlite3.Connection) -> list[str]:
    """The problems of the file, at most `PROBLEMS_MAX` lines."""
    try:
        return find_problems(connection, f"integrity_check({PROBLEMS_MAX})")
    except sqlite3.DatabaseError as error:
        return [str(error)]
