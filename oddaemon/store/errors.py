"""What can be wrong with a database, each with where, why, and what to do next.

No text here may carry a row: balances are patient data, and errors end in logs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from sqlalchemy.exc import IntegrityError


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

    def __init__(self, where: Path | str, how: str = "") -> None:
        super().__init__(
            f"The database {where} cannot be used: the file is damaged{f' ({how})' if how else ''}.",
            "Stop the daemon, keep a copy of the file, and restore the last backup, or start without the history.",
        )


class DatabaseReplaced(DatabaseUnusable):
    """The file was deleted or replaced while it was open: what is written now goes where nobody will find it."""


class OfficeNotRegistered(StoreError):
    """Something was to be stored for an office that the database has never heard of."""

    def __init__(self, office_id: str) -> None:
        super().__init__(
            f"Office {office_id!r} is not in the database.", "Enroll the configured offices before storing anything."
        )


class OfficeUnknown(StoreError):
    """Nothing was ever stored for such an office."""

    def __init__(self, office_id: str) -> None:
        super().__init__(f"The database knows no office {office_id!r}.", "`oddaemon status` lists them all.")


@contextmanager
def decoding_errors(where: Path | str) -> Iterator[None]:
    """Turn what cannot be understood of stored values into a `DatabaseDamaged`: nobody can have stored them so."""
    try:
        yield
    except (ValueError, TypeError, msgspec.MsgspecError) as error:
        raise DatabaseDamaged(where, f"a stored value cannot be read: {type(error).__name__}") from error


@contextmanager
def constraint_errors(where: Path | str) -> Iterator[None]:
    """Turn a broken constraint into a `DatabaseDamaged`, where only rows that contradict each other can break one."""
    try:
        yield
    except IntegrityError as error:
        raise DatabaseDamaged(where, "its rows contradict each other") from error
