"""What the housekeeper asks of the database."""

import sqlite3
import threading
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import anyio
import anyio.to_thread

from oddaemon.store.copying import STEPS_BETWEEN_ASKING, reading, size_bytes
from oddaemon.store.database import Database
from oddaemon.store.errors import DatabaseUnusable, explained
from oddaemon.store.room import require_room
from oddaemon.store.rotation import Rotation, rotate
from oddaemon.store.troubles import LOCKED

PROBLEMS_MAX = 20
"""A damaged file has thousands; the first ones tell which tables."""
SECURE_DELETE = "PRAGMA secure_delete = ON"
"""What is deleted is overwritten with zeros."""
PAGES_A_TURN = 256
"""A megabyte: some milliseconds of the one connection that writes."""
SPARE_PERCENT = 5
"""So much of the file may be free pages: the next nights write into them."""


@dataclass(frozen=True, slots=True)
class Vacuumed:
    """What an incremental vacuum came to."""

    given_back_bytes: int
    spare_bytes: int
    """Left free for what is written next."""


async def wal_checkpoint(db: Database) -> bool:
    """Move the write-ahead log into the database file and cut it to nothing.

    Returns:
        False if a reader stood in the way; nothing is lost, the next one will do.
    """
    ((busy, *_),) = await db.one_statement("PRAGMA wal_checkpoint(TRUNCATE)")
    if not busy:
        db.files.settled()
    return not busy


async def vacuum(db: Database) -> None:
    """Write the whole file anew, without a gap and without what was deleted from it; everybody else waits meanwhile.

    Raises:
        DatabaseUnusable: there is no room for a second copy, or as `fold_back`.
    """
    await require_room_anew(db)
    await db.write_anew()
    await fold_back(db)


async def require_room_anew(db: Database) -> None:
    """Look whether the disk has room for a second copy.

    Raises:
        DatabaseUnusable: it has not.
    """
    path = db.path
    size = await anyio.to_thread.run_sync(size_bytes, path)
    await anyio.to_thread.run_sync(require_room, path, size, f"The database {path} cannot be written anew")


async def fold_back(db: Database) -> None:
    """Empty the write-ahead log, so that nothing of what was there before is left in it.

    Raises:
        DatabaseUnusable: another program reads the database just now.
    """
    if not await wal_checkpoint(db):
        raise DatabaseUnusable(
            f"Another program has the database {db.path} open, so its log cannot be emptied.",
            f"{LOCKED.advice} Then do it again.",
            passes=True,
        )


async def incremental_vacuum(db: Database) -> Vacuumed:
    """Give free pages back to the disk, a megabyte a turn; what the next nights need is left.

    The file becomes smaller once the write-ahead log is folded back, which is tried at the end.
    """
    pages, free = await _pages(db)
    spare = pages * SPARE_PERCENT // 100
    given_back = 0
    while free - spare >= PAGES_A_TURN:
        # From now on the file may be as small as it is without its free pages, and their entries in its own lists.
        db.files.may_shrink_to((pages - free - free // 500 - 2) * await _page_bytes(db))
        await db.to_the_end(f"incremental_vacuum({PAGES_A_TURN})")
        pages, left = await _pages(db)
        if left >= free:
            break
        given_back, free = given_back + free - left, left
    if given_back:
        await wal_checkpoint(db)
    return Vacuumed(given_back * await _page_bytes(db), free * await _page_bytes(db))


async def _pages(db: Database) -> tuple[int, int]:
    """How many pages the file has, and how many of them are free."""
    async with db.reading() as connection:
        pages = (await connection.exec_driver_sql("PRAGMA page_count")).scalar_one()
        return pages, (await connection.exec_driver_sql("PRAGMA freelist_count")).scalar_one()


async def _page_bytes(db: Database) -> int:
    async with db.reading() as connection:
        page_bytes: int = (await connection.exec_driver_sql("PRAGMA page_size")).scalar_one()
        return page_bytes


async def rotate_backups(db: Database, directory: Path, keep: int, now: datetime) -> Rotation:
    """Make a backup in the directory, and delete the oldest ones: beside all other work.

    Raises:
        StoreError: as `rotation.rotate`.
    """
    stop = threading.Event()
    try:
        return await anyio.to_thread.run_sync(rotate, db.path, directory, keep, now, stop, abandon_on_cancel=True)
    finally:
        stop.set()


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
        connection.set_progress_handler(stop.is_set, STEPS_BETWEEN_ASKING)
        return integrity_problems(connection)


def integrity_problems(connection: sqlite3.Connection) -> list[str]:
    """What is wrong with the file, at most `PROBLEMS_MAX` lines."""
    try:
        lines = [" ".join(line.split()) for (line,) in connection.execute(f"PRAGMA integrity_check({PROBLEMS_MAX})")]
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return [] if lines == ["ok"] else lines
