"""Facts about a database that contain nothing of its data, for support bundles."""

import os
import sqlite3
from dataclasses import dataclass

import anyio.to_thread

from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.store.sqlite.errors import translate_errors
from oddaemon.store.sqlite.location import get_wal_bytes

_COUNTS = (
    "SELECT version_num, (SELECT count(*) FROM office), (SELECT count(*) FROM snapshot), (SELECT count(*) FROM journal)"
    " FROM alembic_version"
)


@dataclass(frozen=True, slots=True)
class DatabaseInfo:
    """Sizes and counts of a database."""

    path: str
    mode: str
    """Of the file, such as "0600"."""
    size_bytes: int
    wal_bytes: int
    page_bytes: int
    pages: int
    free_pages: int
    disk_free_bytes: int
    revision: str
    sqlite: str
    offices: int
    snapshots: int
    journal_entries: int


async def read_database_info(db: SqliteDatabase) -> DatabaseInfo:
    """Read the facts of an open database.

    Raises:
        DatabaseUnusable: it cannot be read.
    """
    ((revision, offices, snapshots, journal_entries),) = await db.fetch(_COUNTS, (), tuple)
    mode, size_bytes, wal_bytes, free_bytes = await anyio.to_thread.run_sync(_measure_files, db)
    return DatabaseInfo(
        path=str(db.path),
        mode=mode,
        size_bytes=size_bytes,
        wal_bytes=wal_bytes,
        page_bytes=await db.read_pragma("page_size"),
        pages=await db.read_pragma("page_count"),
        free_pages=await db.read_pragma("freelist_count"),
        disk_free_bytes=free_bytes,
        revision=str(revision),
        sqlite=sqlite3.sqlite_version,
        offices=offices,
        snapshots=snapshots,
        journal_entries=journal_entries,
    )


def _measure_files(db: SqliteDatabase) -> tuple[str, int, int, int]:
    with translate_errors(db.path):
        status, disk = db.path.stat(), os.statvfs(db.path.parent)
        wal_bytes = get_wal_bytes(db.path)
    return f"{status.st_mode & 0o777:04o}", status.st_size, wal_bytes, disk.f_bavail * disk.f_frsize
