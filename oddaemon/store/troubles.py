"""The troubles that a disk or another program can make, by SQLite's result codes and by the system's error numbers.

One table, so that the same trouble reads the same whoever meets it first: SQLite in the middle of a publish, or the
system while a copy is made.
"""

import errno
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Trouble:
    """One trouble: what it is as the end of a sentence, what to do, and whether waiting can help."""

    what: str
    advice: str
    passes: bool = False


FULL = Trouble(
    "the disk is full",
    "Free some space; nothing half-written remains, and what was published before is safe.",
    passes=True,
)
READ_ONLY = Trouble(
    "it cannot be written",
    "Give the daemon's user write permission on the file and its directory, or remount the disk for writing.",
    passes=True,
)
LOCKED = Trouble(
    "another program keeps it locked",
    "Close whatever else has the file open for writing (a sqlite3 shell, a backup tool).",
    passes=True,
)
DISK_ERROR = Trouble(
    "the disk answers with an I/O error", "Look into the kernel's log, and check the disk and any quota.", passes=True
)
DAMAGED = Trouble(
    "the file is damaged",
    "Stop the daemon, keep a copy of the file, and restore the last backup, or start afresh without the history.",
)

OF_SQLITE: Mapping[int, Trouble] = {
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_READONLY: READ_ONLY,
    sqlite3.SQLITE_BUSY: LOCKED,
    sqlite3.SQLITE_PROTOCOL: LOCKED,
    sqlite3.SQLITE_IOERR: DISK_ERROR,
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_FORMAT: DAMAGED,
    sqlite3.SQLITE_NOTADB: Trouble(
        "the file is not a SQLite database", "Point [state] database at another path, or move this file away."
    ),
    sqlite3.SQLITE_CANTOPEN: Trouble(
        "it cannot be opened",
        "Check that its directory exists and that this user may read and write both the directory and the file.",
        passes=True,
    ),
    sqlite3.SQLITE_PERM: Trouble(
        "access is denied", "Give this user permission on the file and its directory.", passes=True
    ),
    sqlite3.SQLITE_NOMEM: Trouble("memory is short", "Find out what takes this machine's memory.", passes=True),
}

_ACCESS_ADVICE = "Check that its directory exists and that this user may read and write it."
OF_ERRNO: Mapping[int, Trouble] = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: Trouble("this user's disk quota is used up", FULL.advice, passes=True),
    errno.EFBIG: Trouble("the file may not grow any more", "Raise the process's limit on the size of files."),
    errno.EROFS: Trouble("the file system is mounted read-only", "Remount the disk for writing.", passes=True),
    errno.EIO: DISK_ERROR,
    errno.EACCES: Trouble("Permission denied", _ACCESS_ADVICE, passes=True),
    errno.EPERM: Trouble("Operation not permitted", _ACCESS_ADVICE, passes=True),
}
