"""What is looked at between writes: a database that nobody happens to write to can be lost all the same."""

import anyio
import anyio.to_thread

from oddaemon.store.errors import DatabaseUnusable
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.store.sqlite.disk_space import require_min_space

STUCK_SECONDS = 10.0
"""A write that takes longer waits for the disk: one that waits for another program has given up by then."""


async def require_healthy(db: SqliteDatabase) -> None:
    """Look whether the files are in place and whole, and no write is stuck: microseconds, mostly.

    Raises:
        DatabaseUnusable: something is wrong, which is told to the database's `report` too.
    """
    with db.report_errors():
        if db.writing_since is not None and anyio.current_time() - db.writing_since > STUCK_SECONDS:
            raise DatabaseUnusable(
                f"A write to the database {db.path} has not come back from the disk for {STUCK_SECONDS:g} s.",
                "See what else keeps this disk busy, and whether it is failing: the kernel's log tells.",
                is_transient=True,
            )
        db.file_guard.require_in_place()
        has_shrunk = db.file_guard.has_shrunk()
    if has_shrunk:
        async with db.read_transaction() as connection:
            pages = (await connection.exec_driver_sql("PRAGMA page_count")).scalar_one()
            page_bytes = (await connection.exec_driver_sql("PRAGMA page_size")).scalar_one()
            db.file_guard.require_min_bytes(pages * page_bytes)


async def try_writing(db: SqliteDatabase) -> None:
    """Write as little as can be written, where there is room for a snapshot too.

    Raises:
        DatabaseUnusable: it cannot be written, which is told to the database's `report` too.
    """
    with db.report_errors():
        await anyio.to_thread.run_sync(require_min_space, db.path)
    # A row that is set to what it is already would not be written at all; the header is.
    await db.execute_one("PRAGMA user_version = 0")
