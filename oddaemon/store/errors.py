"""What can be wrong with a database, each with where, why, and what to do next.

No text here may carry a row: balances are patient data, and errors end in logs.
"""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from sqlalchemy.exc import DBAPIError, IntegrityError

from oddaemon.store.sqlite.errors import DAMAGED, FAULT_BY_ERRNO, FAULT_BY_SQLITE_CODE, StorageFault

_PRIMARY_CODE = 0xFF
"""SQLite's extended result codes carry the primary one in their lowest byte."""
_DAMAGE_MESSAGES = (
    "Could not decode to UTF-8",
    "JSON cannot hold BLOB values",
    "malformed JSON",
    "no such table",
    "unsupported file format",
)
"""Said without a code of their own of rows and tables that nobody can have written."""


class StoreError(Exception):
    """Something is wrong with the database, not with an office.

    Attributes:
        what: one sentence: what happened, and to which file.
        advice: what to do next.
        is_transient: whether waiting can help: once there is space, a lock is released or a permission given back, the
            same file can be used again, without a restart.
    """

    def __init__(self, what: str, advice: str, *, is_transient: bool = False) -> None:
        super().__init__(f"{what} {advice}")
        self.what = what
        self.advice = advice
        self.is_transient = is_transient


class DatabaseMissing(StoreError):
    """There is no database to read."""


class DatabaseClosed(StoreError):
    """It was closed while somebody still read from it."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"The database {path} was closed before it was read to the end.",
            "Read within the block that opens it; balances and changes are read as they are taken.",
        )


class DatabaseLocked(StoreError):
    """Another process is writing to this database."""


class DatabaseNewer(StoreError):
    """The database was made by a newer oddaemon."""


class DatabaseOlder(StoreError):
    """The database has to be migrated first, which a reader never does."""


class DatabaseUnusable(StoreError):
    """Not a database, damaged, unreadable, read-only, locked by another program, slow, or its disk is full."""


class DatabaseDamaged(DatabaseUnusable):
    """What was stored cannot be read any more, or is not what was stored."""

    def __init__(self, path: Path, how: str = "") -> None:
        super().__init__(
            f"The database {path} cannot be used: {DAMAGED.what}{f' ({how})' if how else ''}.", DAMAGED.advice
        )


class DatabaseReplaced(DatabaseUnusable):
    """The file was deleted or replaced while it was open: what is written now goes where nobody will find it."""


class OfficeNotRegistered(StoreError):
    """Something was to be stored for an office that the database has never heard of."""

    def __init__(self, office_id: str) -> None:
        super().__init__(
            f"Office {office_id!r} is not in the database.", "Enroll the configured offices before storing anything."
        )


@contextmanager
def translate_errors(path: Path, error_prefix: str = "") -> Iterator[None]:
    """Turn what SQLite and the file system say about `path` into a `DatabaseUnusable`.

    Errors that a program alone can cause (a broken constraint, wrong SQL) pass unchanged.

    Args:
        path: the file that is being worked with.
        error_prefix: what could not be done, as the beginning of a sentence; empty: that the database cannot be used.
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
        raise DatabaseUnusable(
            f"{error_prefix}: {fault.what}.", fault.advice, is_transient=fault.is_transient
        ) from error
    except UnicodeDecodeError as error:
        # SQLite quotes a damaged schema, and its Python driver chokes on that.
        raise DatabaseDamaged(path) from error
    except OSError as error:
        code = error.errno or errno.EIO
        fault = FAULT_BY_ERRNO.get(
            code, StorageFault(error.strerror or str(error), FAULT_BY_ERRNO[errno.EACCES].advice)
        )
        raise DatabaseUnusable(
            f"{error_prefix}: {fault.what}.", fault.advice, is_transient=fault.is_transient
        ) from error


@contextmanager
def translate_read_errors(path: Path) -> Iterator[None]:
    """As `explained`, where whoever asks may have closed the database meanwhile."""
    try:
        with translate_errors(path):
            yield
    except sqlite3.ProgrammingError as error:
        if "closed database" not in str(error):
            raise
        raise DatabaseClosed(path) from error


def find_fault(error: BaseException | None) -> StorageFault | None:
    """What an error of SQLite means for the file; None: it is a program's own."""
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE
    if isinstance(error, sqlite3.Error) and any(message in str(error) for message in _DAMAGE_MESSAGES):
        return DAMAGED
    return FAULT_BY_SQLITE_CODE.get(code)


@contextmanager
def decoding_errors(path: Path) -> Iterator[None]:
    """Turn what cannot be understood of stored values into a `DatabaseDamaged`: nobody can have stored them so."""
    try:
        yield
    except (ValueError, TypeError, msgspec.MsgspecError) as error:
        raise DatabaseDamaged(path, f"a stored value cannot be read: {type(error).__name__}") from error


@contextmanager
def constraint_errors(path: Path) -> Iterator[None]:
    """Turn a broken constraint into a `DatabaseDamaged`, where only rows that contradict each other can break one."""
    try:
        yield
    except IntegrityError as error:
        raise DatabaseDamaged(path, "its rows contradict each other") from error
