"""The errors of the store. Each says what happened, where, why, and what to do next.

No message may contain a row: balances are patient data, and errors end in logs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from sqlalchemy.exc import IntegrityError

from oddaemon.core.reporting.command_hints import describe_unknown_office


class StoreError(Exception):
    """A fault of the database, not of an office.

    Attributes:
        what: one sentence: what happened, and to which file.
        advice: what to do next.
        is_transient: whether waiting can help. Once there is space, a lock is released or a permission restored, the
            same file can be used again without a restart.
    """

    def __init__(self, what: str, advice: str, *, is_transient: bool = False) -> None:
        super().__init__(f"{what} {advice}")
        self.what = what
        self.advice = advice
        self.is_transient = is_transient


class DatabaseMissing(StoreError):
    """The database does not exist or is empty."""


class DatabaseClosed(StoreError):
    """The database was closed while it was being read."""

    def __init__(self, where: Path | str) -> None:
        super().__init__(
            f"The database {where} was closed before all rows were read.",
            "Read within the `with` block that opens it: balances and changes are read one batch at a time.",
        )


class DatabaseLocked(StoreError):
    """Another process is writing to this database."""


class DatabaseNewer(StoreError):
    """The database was made by a newer oddaemon."""


class DatabaseOlder(StoreError):
    """The database must be migrated first, which a reader never does."""


class DatabaseUnusable(StoreError):
    """The file is no database, damaged, unreadable, read-only, locked or slow, or its disk is full."""


class DatabaseLost(DatabaseUnusable):
    """The connection to the server is gone, or the server is another one than before. Open the database again.

    What a transaction wrote whose COMMIT was under way may be stored or not.
    """

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(what, advice, is_transient=True)


def make_left_error(where: str) -> DatabaseLost:
    """The error of a write by a daemon that is no member of its fleet at the moment."""
    return DatabaseLost(
        f"This host has lost its place in the fleet on {where}; nothing was written.",
        "It joins again by itself within seconds; try again then.",
    )


class DatabaseDamaged(DatabaseUnusable):
    """Stored data cannot be read, or differs from what was stored."""

    def __init__(self, where: Path | str, how: str = "") -> None:
        super().__init__(
            f"The database {where} cannot be used: it is damaged{f' ({how})' if how else ''}.",
            "Stop the daemon, keep a copy of the database, and restore the last backup, or start without the history.",
        )


class DatabaseUnfinished(DatabaseUnusable):
    """A copy of another database, in which rows are missing."""

    def __init__(self, where: Path | str) -> None:
        super().__init__(
            f"The database {where} is an unfinished copy: `oddaemon state move` did not reach its end.",
            "Set [state] database to the previous database, which is unchanged, and run `oddaemon state move` again.",
        )


class DatabaseReplaced(DatabaseUnusable):
    """The file was deleted or replaced while it was open: further writes would be lost."""


class MigrationFailed(StoreError):
    """The migration failed; the data is unchanged."""


class OfficeNotRegistered(StoreError):
    """Data was to be stored for an office that is not registered."""

    def __init__(self, office_id: str) -> None:
        super().__init__(
            f"Office {office_id!r} is not in the database.",
            "Register the configured offices before storing their data.",
        )


class OfficeUnknown(StoreError):
    """Nothing was ever stored for such an office."""

    def __init__(self, office_id: str) -> None:
        super().__init__(*describe_unknown_office(office_id))


@contextmanager
def decoding_errors(where: Path | str) -> Iterator[None]:
    """Raise `DatabaseDamaged` for stored values that cannot be decoded: this program cannot have stored them."""
    try:
        yield
    except (ValueError, TypeError, msgspec.MsgspecError) as error:
        raise DatabaseDamaged(where, f"a stored value cannot be read: {type(error).__name__}") from error


@contextmanager
def constraint_errors(where: Path | str) -> Iterator[None]:
    """Raise `DatabaseDamaged` for a violated constraint, where only contradictory rows can violate one."""
    try:
        yield
    except IntegrityError:
        # Without its cause: PostgreSQL quotes the rows.
        raise DatabaseDamaged(where, "its rows contradict each other") from None
