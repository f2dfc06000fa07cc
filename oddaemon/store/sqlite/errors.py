"""Errors of SQLite and of the file system, by result code and errno, translated to the store's own.

One table, so that the same fault has the same text wherever it shows first: in SQLite during a publish, or in the
system while a copy is made.
"""

import errno
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from oddaemon.store.errors import DatabaseClosed, DatabaseDamaged, DatabaseUnusable

_PRIMARY_CODE = 0xFF
"""SQLite's extended result codes carry the primary one in their lowest byte."""
_FILES_OF_A_TRANSACTION = 4
"""The database, its log or journal, the index of the log, and the directory."""
_DAMAGE_MESSAGES = (
    "Could not decode to UTF-8",
    "JSON cannot hold BLOB values",
    "malformed JSON",
    "no such table",
    "unsupported file format",
)
"""Messages without a code of their own, for rows and tables that this program cannot have written."""


@dataclass(frozen=True, slots=True)
class StorageFault:
    """What is wrong, as the end of a sentence; what to do; and whether waiting can help."""

    what: str
    advice: str
    is_transient: bool = False

    def make_error(self, error_prefix: str) -> DatabaseUnusable:
        """The error to raise; `error_prefix` begins its sentence: "The copy … cannot be made"."""
        return DatabaseUnusable(f"{error_prefix}: {self.what}.", self.advice, is_transient=self.is_transient)


DISK_FULL = StorageFault(
    "the disk is full",
    "Free some space. No transaction is half-written, and all published snapshots are safe.",
    is_transient=True,
)
READ_ONLY = StorageFault(
    "it cannot be written",
    "Give the daemon's user write permission on the file and its directory, or remount the disk for writing.",
    is_transient=True,
)
LOCKED = StorageFault(
    "another program keeps it locked",
    "Close the program that has the file open for writing (a sqlite3 shell, a backup tool).",
    is_transient=True,
)
DISK_ERROR = StorageFault(
    "the disk reports an I/O error",
    "Check the kernel's log, the disk and any quota.",
    is_transient=True,
)
NO_DESCRIPTORS = StorageFault(
    "this process has no file descriptors left",
    "Raise its limit on open files (LimitNOFILE= in the unit, or ulimit -n).",
    is_transient=True,
)
INTERRUPTED = StorageFault(
    "an interrupted transaction must be rolled back first", "Start the daemon: it does that.", is_transient=True
)
DAMAGED = StorageFault("it is damaged", "")
"""Raised as `DatabaseDamaged`, which has the advice."""

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
        "out of memory", "Find the process that uses up this machine's memory.", is_transient=True
    ),
}

_ACCESS_ADVICE = "Check that its directory exists and that this user may read and write it."
FAULT_BY_ERRNO: Mapping[int, StorageFault] = {
    errno.ENOSPC: DISK_FULL,
    errno.EMFILE: NO_DESCRIPTORS,
    errno.EDQUOT: StorageFault("this user's disk quota is used up", DISK_FULL.advice, is_transient=True),
    errno.EFBIG: StorageFault(
        "the file exceeds the file size limit", "Raise the process's limit on the size of files."
    ),
    errno.EROFS: StorageFault(
        "the file system is mounted read-only", "Remount the disk for writing.", is_transient=True
    ),
    errno.EIO: DISK_ERROR,
    errno.EACCES: StorageFault("Permission denied", _ACCESS_ADVICE, is_transient=True),
    errno.EPERM: StorageFault("Operation not permitted", _ACCESS_ADVICE, is_transient=True),
}


@contextmanager
def translate_errors(path: Path, error_prefix: str = "") -> Iterator[None]:
    """Translate errors of SQLite and of the file system about `path` into `DatabaseUnusable`.

    Errors that only a bug can cause (a violated constraint, invalid SQL) pass unchanged.

    Args:
        path: the file.
        error_prefix: what failed, as the beginning of a sentence; empty: "The database … cannot be used".
    """
    error_prefix = error_prefix or f"The database {path} cannot be used"
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        fault = find_fault(error.orig if isinstance(error, DBAPIError) else error)
        if fault is None:
            raise
        if fault is DAMAGED:
            raise DatabaseDamaged(path) from error
        raise fault.make_error(error_prefix) from error
    except UnicodeDecodeError as error:
        # SQLite quotes a damaged schema, which its Python driver cannot decode.
        raise DatabaseDamaged(path) from error
    except OSError as error:
        code = error.errno or errno.EIO
        fault = FAULT_BY_ERRNO.get(code, StorageFault(error.strerror or str(error), _ACCESS_ADVICE))
        raise fault.make_error(error_prefix) from error


@contextmanager
def translate_read_errors(path: Path) -> Iterator[None]:
    """As `translate_errors`, where the caller may have closed the database in the meantime."""
    try:
        with translate_errors(path):
            yield
    except sqlite3.ProgrammingError as error:
        if "closed database" not in str(error):
            raise
        raise DatabaseClosed(path) from error


def find_fault(error: BaseException | None) -> StorageFault | None:
    """The fault of the file behind an error of SQLite; None: the error is a bug."""
    extended_code = getattr(error, "sqlite_errorcode", 0)
    code = extended_code & _PRIMARY_CODE
    if isinstance(error, sqlite3.Error) and any(message in str(error) for message in _DAMAGE_MESSAGES):
        return DAMAGED
    if extended_code == sqlite3.SQLITE_READONLY_ROLLBACK:
        return INTERRUPTED
    if code == sqlite3.SQLITE_CANTOPEN and not _has_descriptors_left():
        return NO_DESCRIPTORS
    return FAULT_BY_SQLITE_CODE.get(code)


def _has_descriptors_left() -> bool:
    """Whether SQLite can open the files of a transaction; it does not say why it cannot open one."""
    with ExitStack() as stack:
        try:
            for _ in range(_FILES_OF_A_TRANSACTION):
                stack.callback(os.close, os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        except OSError as error:
            return error.errno not in {errno.EMFILE, errno.ENFILE}
    return True
