"""What the housekeeper asks of the database."""

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
from oddaemon.store.sqlite.copy import VM_STEPS_PER_CHECK, get_size_bytes, open_read_only
from oddaemon.store.sqlite.disk_space import require_space
from oddaemon.store.sqlite.errors import LOCKED, translate_errors
from oddaemon.store.sqlite.maintenance.rotation import BackupRotation, rotate

PROBLEMS_MAX = 20
"""A damaged file has thousands; the first ones tell which tables."""
SECURE_DELETE = "PRAGMA secure_delete = ON"
"""What is deleted is overwritten with zeros."""
PAGES_PER_VACUUM_STEP = 256
"""A megabyte: some milliseconds of the one connection that writes."""
SPARE_PERCENT = 5
"""So much of the file may be free pages: the next nights write into them."""


@dataclass(frozen=True, slots=True)
class VacuumResult:
    """What an incremental vacuum came to."""

    freed_bytes: int
    spare_bytes: int
    """Left free for what is written next."""


async def checkpoint_wal(db: SqliteDatabase) -> bool:
    """Move the write-ahead log into the database file and cut it to nothing.

    Returns:
        False if a reader stood in the way; nothing is lost, the next one will do.
    """
    ((busy, *_),) = await db.execute_one("PRAGMA wal_checkpoint(TRUNCATE)")
    if not busy:
        db.file_guard.mark_settled()
    return not busy


async def vacuum(db: SqliteDatabase) -> None:
    """Write the whole file anew, without a gap and without what was deleted from it; everybody else waits meanwhile.

    Raises:
        DatabaseUnusable: there is no room for a second copy, or as `truncate_wal`.
    """
    await require_vacuum_space(db)
    await db.vacuum()
    await truncate_wal(db)


async def require_vacuum_space(db: SqliteDatabase) -> None:
    """Look whether the disk has room for a second copy.

    Raises:
        DatabaseUnusable: it has not.
    """
    path = db.path
    size = await anyio.to_thread.run_sync(get_size_bytes, path)
    await anyio.to_thread.run_sync(require_space, path, size, f"The database {path} cannot be written anew")


async def truncate_wal(db: SqliteDatabase) -> None:
    """Empty the write-ahead log, so that nothing of what was there before is left in it.

    Raises:
        DatabaseUnusable: another program reads the database just now.
    """
    if not await checkpoint_wal(db):
        raise DatabaseUnusable(
            f"Another program has the database {db.path} open, so its log cannot be emptied.",
            f"{LOCKED.advice} Then do it again.",
            is_transient=True,
        )


async def run_incremental_vacuum(db: SqliteDatabase) -> VacuumResult:
    """Give free pages back to the disk, a megabyte a turn; what the next nights need is left.

    The file becomes smaller once the write-ahead log is folded back, which is tried at the end.
    """
    pages, free = await _count_pages(db)
    spare = pages * SPARE_PERCENT // 100
    freed = 0
    while free - spare >= PAGES_PER_VACUUM_STEP:
        # From now on the file may be as small as it is without its free pages, and their entries in its own lists.
        db.file_guard.allow_shrink_to((pages - free - free // 500 - 2) * await _get_page_bytes(db))
        await db.run_pragma_to_end(f"incremental_vacuum({PAGES_PER_VACUUM_STEP})")
        pages, still_free = await _count_pages(db)
        if still_free >= free:
            break
        freed, free = freed + free - still_free, still_free
    if freed:
        await checkpoint_wal(db)
    return VacuumResult(freed * await _get_page_bytes(db), free * await _get_page_bytes(db))


async def _count_pages(db: SqliteDatabase) -> tuple[int, int]:
    """How many pages the file has, and how many of them are free."""
    async with db.read_transaction() as connection:
        pages = (await connection.exec_driver_sql("PRAGMA page_count")).scalar_one()
        return pages, (await connection.exec_driver_sql("PRAGMA freelist_count")).scalar_one()


async def _get_page_bytes(db: SqliteDatabase) -> int:
    async with db.read_transaction() as connection:
        page_bytes: int = (await connection.exec_driver_sql("PRAGMA page_size")).scalar_one()
        return page_bytes


async def rotate_backups(db: SqliteDatabase, directory: Path, keep: int, now: datetime) -> BackupRotation:
    """Make a backup in the directory, and delete the oldest ones: beside all other work.

    Raises:
        StoreError: as `rotation.rotate`.
    """
    stop = threading.Event()
    try:
        return await anyio.to_thread.run_sync(rotate, db.path, directory, keep, now, stop, abandon_on_cancel=True)
    finally:
        stop.set()


async def check_integrity(db: SqliteDatabase) -> list[str]:
    """Read every page of the file and compare indexes with tables: minutes on a large fleet, beside all other work.

    Returns:
        What is wrong, at most `PROBLEMS_MAX` lines; empty: the file is sound.
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
    """What is wrong with the file, at most `PROBLEMS_MAX` lines."""
    try:
        lines = [" ".join(line.split()) for (line,) in connection.execute(f"PRAGMA integrity_check({PROBLEMS_MAX})")]
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return [] if lines == ["ok"] else lines
