"""What can be told of a database to somebody who must not see what is in it."""

import os
import sqlite3
from dataclasses import dataclass

import anyio.to_thread

from oddaemon.store.database import Database
from oddaemon.store.errors import explained


@dataclass(frozen=True, slots=True)
class StoreFacts:
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


async def facts(db: Database) -> StoreFacts:
    """What is told of an open database.

    Raises:
        DatabaseUnusable: it cannot be read.
    """
    async with db.reading() as connection:

        async def number(statement: str) -> int:
            return int((await connection.exec_driver_sql(statement)).scalar_one())

        revision = (await connection.exec_driver_sql("SELECT version_num FROM alembic_version")).scalar_one()
        counted = {
            "page_bytes": await number("PRAGMA page_size"),
            "pages": await number("PRAGMA page_count"),
            "free_pages": await number("PRAGMA freelist_count"),
            "offices": await number("SELECT count(*) FROM office"),
            "snapshots": await number("SELECT count(*) FROM snapshot"),
            "journal_entries": await number("SELECT count(*) FROM journal"),
        }
    mode, size_bytes, wal_bytes, free_bytes = await anyio.to_thread.run_sync(_of_its_files, db)
    return StoreFacts(
        path=str(db.path),
        mode=mode,
        size_bytes=size_bytes,
        wal_bytes=wal_bytes,
        disk_free_bytes=free_bytes,
        revision=str(revision),
        sqlite=sqlite3.sqlite_version,
        **counted,
    )


def _of_its_files(db: Database) -> tuple[str, int, int, int]:
    with explained(db.path):
        status, disk = db.path.stat(), os.statvfs(db.path.parent)
        wal = db.path.with_name(f"{db.path.name}-wal")
        wal_bytes = wal.stat().st_size if wal.exists() else 0
    return f"{status.st_mode & 0o777:04o}", status.st_size, wal_bytes, disk.f_bavail * disk.f_frsize
