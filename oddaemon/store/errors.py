"""What can be wrong with a database, each with where, why, and what to do next.

No text here may carry a row: balances are patient data, and errors end in logs.
"""

# ruff: noqa: N818 - they read as what is wrong with the database

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError

_PRIMARY_CODE = 0xFF
"""SQLite's extended result codes carry the primary one in their lowest byte."""

_TROUBLES = {
    sqlite3.SQLITE_FULL: (
        "the disk is full",
        "Free some space; nothing half-written remains, and what was published before is safe.",
    ),
    sqlite3.SQLITE_NOTADB: (
        "the file is not a SQLite database",
        "Point [state] database at another path, or move this file away.",
    ),
    sqlite3.SQLITE_CORRUPT: (
        "the file is damaged",
        "Stop the daemon, keep a copy of the file, and restore the last backup, or start afresh without the history.",
    ),
    sqlite3.SQLITE_READONLY: (
        "it cannot be written",
        "Give the daemon's user write permission on the file and its directory, or remount the disk for writing.",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "it cannot be opened",
        "Check that its directory exists and that this user may read and write both the directory and the file.",
    ),
    sqlite3.SQLITE_PERM: ("access is denied", "Give this user permission on the file and its directory."),
    sqlite3.SQLITE_IOERR: ("the disk answers with an I/O error", "Look into the kernel's log and check the disk."),
    sqlite3.SQLITE_BUSY: (
        "another program keeps it locked",
        "Close whatever else has the file open for writing (a sqlite3 shell, a backup tool).",
    ),
}


class StoreError(Exception):
    """Something is wrong with the database, not with an office.

    Attributes:
        what: one sentence: what happened, and to which file.
        advice: what to do next.
    """

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(f"{what} {advice}")
        self.what = what
        self.advice = advice


class DatabaseMissing(StoreError):
    """There is no database to read."""


class DatabaseHeld(StoreError):
    """Another process is writing to this database."""


class DatabaseNewer(StoreError):
    """The database was made by a newer oddaemon."""


class DatabaseOlder(StoreError):
    """The database has to be migrated first, which a reader never does."""


class DatabaseUnusable(StoreError):
    """Not a database, damaged, unreadable, read-only, locked by another program, or its disk is full."""


class OfficeNotEnrolled(StoreError):
    """Something was to be stored for an office that the database has never heard of."""

    def __init__(self, office_id: str) -> None:
        super().__init__(
            f"Office {office_id!r} is not in the database.", "Enroll the configured offices before storing anything."
        )


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what SQLite and the file system say about `path` into a `DatabaseUnusable`.

    Errors that a program alone can cause (a broken constraint, wrong SQL) pass unchanged.
    """
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        raw = error.orig if isinstance(error, DBAPIError) else error
        code = getattr(raw, "sqlite_errorcode", 0) & _PRIMARY_CODE
        if code not in _TROUBLES:
            raise
        trouble, advice = _TROUBLES[code]
        raise DatabaseUnusable(f"The database {path} cannot be used: {trouble}.", advice) from error
    except OSError as error:
        raise DatabaseUnusable(
            f"The database {path} cannot be used: {error.strerror or error}.",
            "Check that its directory exists and that this user may read and write it.",
        ) from error
