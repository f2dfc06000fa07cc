"""Checks the database between writes: it can be lost while nothing is written."""

import anyio
import anyio.to_thread

from oddaemon.store.errors import DatabaseUnusable
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.store.sqlite.disk_space import require_min_space
from oddaemon.store.sqlite.open_mark import MARK_OPEN

STUCK_SECONDS = 10.0
"""A write that takes longer waits for the disk: one that waits for a lock has timed out by then."""


async def require_healthy(db: SqliteDatabase) -> None:
    """Check that the files are in place and complete, and no write is stuck; this takes microseconds.

    Raises:
        DatabaseUnusable: a check failed; `on_error` of the database was called with it.
    """
    with db.report_errors():
        if db.writing_since is not None and anyio.current_time() - db.writing_since > STUCK_SECONDS:
            raise DatabaseUnusable(
                f"A write to the database {db.path} has been waiting for the disk for more than {STUCK_SECONDS:g} s.",
                "Check what else uses this disk, and the kernel's log for disk errors.",
                is_transient=True,
            )
        db.file_guard.require_in_place()
        has_shrunk = db.file_guard.has_shrunk()
    if has_shrunk:
        db.file_guard.require_min_bytes(await db.read_pragma("page_count") * await db.read_pragma("page_size"))


async def try_writing(db: SqliteDatabase) -> None:
    """Check that the disk has space for a snapshot, and do the smallest possible write.

    Raises:
        DatabaseUnusable: it cannot be written; `on_error` of the database was called with it.
    """
    with db.report_errors():
        await anyio.to_thread.run_sync(require_min_space, db.path)
    # An UPDATE to the same value writes nothing; the header is always written.
    await db.execute_one(MARK_OPEN)
