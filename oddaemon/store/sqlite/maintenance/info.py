"""What can be told of a database to somebody who must not see what is in it."""

import os
import sqlite3
from dataclasses import dataclass

import anyio.to_thread

from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.store.sqlite.errors import translate_errors


@dataclass(frozen=True, slots=True)
class DatabaseInfo:
    """Sizes and counts of a database that can be read."""

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
    """What is told of an open database.

    Raises:
        DatabaseUnusable: it cannot be read.
    """
    async with db.read_transaction() as connection:

        async def fetch_number(statement: str) -> int:
            return int((await connection.exec_driver_sql(statement)).scalar_one())

        revision = (await connection.exec_driver_sql("SELECT version_num FROM alembic_version")).scalar_one()
        counts = {
            "page_bytes": await fetch_number("PRAGMA page_size"),
            "pages": await fetch_number("PRAGMA page_count"),
            "free_pages": await fetch_number("PRAGMA freelist_count"),
            "offices": await fetch_number("SELECT count(*) FROM office"),
            "snapshots": await fetch_number("SELECT count(*) FROM snapshot"),
            "journal_entries": await fetch_number("SELECT count(*) FROM journal"),
        }
    mode, size_bytes, wal_bytes, free_bytes = await anyio.to_thread.run_sync(_measure_files, db)
    return DatabaseInfo(
        path=str(db.path),
        mode=mode,
        size_bytes=size_bytes,
        wal_bytes=wal_bytes,
        disk_free_bytes=free_bytes,
        revision=str(revision),
        sqlite=sqlite3.sqlite_version,
        **counts,
    )


def _measure_files(db: SqliteDatabase) -> tuple[str, int, int, int]:
    with translate_errors(db.path):
        status, disk = db.path.stat(), os.statvfs(db.path.parent)
        wal = db.path.with_name(f"{db.path.name}-wal")
        wal_bytes = wal.stat().st_size if wal.exists() else 0
    return f"{status.st_mode & 0o777:04o}", status.st_size, wal_bytes, disk.f_bavail * disk.f_frsize
