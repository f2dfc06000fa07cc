"""The troubles that a disk or another program can make, by SQLite's result codes and by the system's error numbers.

One table, so that the same trouble reads the same whoever meets it first: SQLite in the middle of a publish, or the
system while a copy is made.
"""

import errno
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StorageFault:
    """One trouble: what it is as the end of a sentence, what to do, and whether waiting can help."""

    what: str
    advice: str
    is_transient: bool = False


DISK_FULL = StorageFault(
    "the disk is full",
    "Free some space; nothing half-written remains, and what was published before is safe.",
    is_transient=True,
)
READ_ONLY = StorageFault(
    "it cannot be written",
    "Give the daemon's user write permission on the file and its directory, or remount the disk for writing.",
    is_transient=True,
)
LOCKED = StorageFault(
    "another program keeps it locked",
    "Close whatever else has the file open for writing (a sqlite3 shell, a backup tool).",
    is_transient=True,
)
DISK_ERROR = StorageFault(
    "the disk answers with an I/O error",
    "Look into the kernel's log, and check the disk and any quota.",
    is_transient=True,
)
DAMAGED = StorageFault(
    "the file is damaged",
    "Stop the daemon, keep a copy of the file, and restore the last backup, or start afresh without the history.",
)

FAULT_BY_SQLITE_CODE: Mapping[int, StorageFault] = {
    sqlite3.SQLITE_FULL: DISK_FULL,
    sqlite3.SQLITE_READONLY: READ_ONLY,
    sqlite3.SQLITE_BUSY: LOCKED,
    sqlite3.SQLITE_PROTOCOL: LOCKED,
    sqlite3.SQLITE_IOERR: DISK_ERROR,
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_FORMAT: DAMAGED,
    sqlite3.SQLITE_NOTADB: StorageFault(
        "the file is not a SQLite database", "Point [state] database at another path, or move this file away."
    ),
    sqlite3.SQLITE_CANTOPEN: StorageFault(
        "it cannot be opened",
        "Check that its directory exists and that this user may read and write both the directory and the file.",
        is_transient=True,
    ),
    sqlite3.SQLITE_PERM: StorageFault(
        "access is denied", "Give this user permission on the file and its directory.", is_transient=True
    ),
    sqlite3.SQLITE_NOMEM: StorageFault(
        "memory is short", "Find out what takes this machine's memory.", is_transient=True
    ),
}

_ACCESS_ADVICE = "Check that its directory exists and that this user may read and write it."
FAULT_BY_ERRNO: Mapping[int, StorageFault] = {
    errno.ENOSPC: DISK_FULL,
    errno.EDQUOT: StorageFault("this user's disk quota is used up", DISK_FULL.advice, is_transient=True),
    errno.EFBIG: StorageFault("the file may not grow any more", "Raise the process's limit on the size of files."),
    errno.EROFS: StorageFault(
        "the file system is mounted read-only", "Remount the disk for writing.", is_transient=True
    ),
    errno.EIO: DISK_ERROR,
    errno.EACCES: StorageFault("Permission denied", _ACCESS_ADVICE, is_transient=True),
    errno.EPERM: StorageFault("Operation not permitted", _ACCESS_ADVICE, is_transient=True),
}
