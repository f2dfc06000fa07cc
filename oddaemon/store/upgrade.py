"""Migrations, on a copy first.

The database in use is not touched until its migrated copy is complete, checked and safely on the disk; then the two
change names, and the former one is kept. Whatever goes wrong before, and whenever the process is killed, the database
is what it was.
"""

import os
import sqlite3
import stat
from contextlib import closing, suppress
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import URL, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from oddaemon.store.copying import copy_database, counts, reading, require_good, size_bytes, synchronize
from oddaemon.store.errors import DatabaseUnusable, StoreError, explained
from oddaemon.store.room import require_room
from oddaemon.store.troubles import LOCKED

AUTO_VACUUM_INCREMENTAL = 2
"""SQLite's number for it."""
_PARTS = ("", "-journal", "-wal", "-shm")


class MigrationFailed(StoreError):  # noqa: N818 - as its relatives
    """The database could not be brought to this program's revision; it is as it was."""


def create(path: Path, location: str) -> None:
    """Make all tables in an empty file: all of them or none, and there is nothing to lose.

    Raises:
        DatabaseUnusable: it cannot be written.
    """
    with explained(path):
        make_shrinkable(path)
        _migrate(path, location)


def upgrade(path: Path, revision: str, newest: str, location: str) -> Path:
    """Migrate a copy, check it, and put it in the database's place.

    Args:
        path: of the database; whoever calls holds its lock.
        revision: its revision.
        newest: the one to bring it to.
        location: where Alembic finds the revisions.

    Returns:
        Where the former file is kept.

    Raises:
        MigrationFailed: with what went wrong; the database is as it was.
    """
    copy = path.with_name(f"{path.name}.migrating")
    try:
        with closing(reading(path)) as original:
            before = _commits(original)
            _copy_migrated(path, copy, location)
            _require_unchanged(original, before)
        return _exchange(path, copy, revision)
    # Whatever a migration raises, its user must learn that nothing is lost.
    except Exception as error:
        raise _failed(path, f"from revision {revision} to {newest}", error) from error
    finally:
        with suppress(OSError):
            _remove(copy)


def _copy_migrated(path: Path, copy: Path, location: str) -> None:
    doing = f"The copy {copy} cannot be made"
    with explained(copy, doing):
        # Left over by a process that was killed: whoever holds the database's lock may throw it away.
        _remove(copy)
        require_room(copy, size_bytes(path), doing)
        _make_alike(copy, path)
        copy_database(path, copy, doing)
        with closing(reading(copy)) as connection:
            wanted = counts(connection)
        make_shrinkable(copy)
        _migrate(copy, location)
        synchronize(copy)
    found = require_good(copy)
    if found != wanted:
        raise DatabaseUnusable(
            f"The migrated copy has {found.offices} offices and {found.snapshots} snapshots where the database has "
            f"{wanted.offices} and {wanted.snapshots}.",
            "Run the former oddaemon until then, and report this to us.",
        )


def make_shrinkable(path: Path) -> None:
    """Have a database keep account of its free pages, so that they can be given back a few at a time.

    One that has tables already is written anew for that, which takes as long as copying it; nobody else may have it
    open.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        ((mode,),) = connection.execute("PRAGMA auto_vacuum").fetchall()
        if mode != AUTO_VACUUM_INCREMENTAL:
            connection.execute(f"PRAGMA auto_vacuum = {AUTO_VACUUM_INCREMENTAL}")
            connection.execute("VACUUM")


def _exchange(path: Path, copy: Path, revision: str) -> Path:
    """Give the copy the database's name; in between, a file of that name is always there."""
    with (
        explained(path),
        closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, isolation_level=None)) as former,
    ):
        # Ends the log and its index, which is refused while anybody else has the file open: they would read the new
        # file with the old one's log.
        ((mode,),) = former.execute("PRAGMA journal_mode = DELETE").fetchall()
        if mode != "delete":
            raise DatabaseUnusable(f"The database {path} cannot be used: {LOCKED.what}.", LOCKED.advice, passes=True)
        former.execute("BEGIN EXCLUSIVE")
        kept = _linked(path, revision)
        copy.replace(path)
        synchronize(path.parent)
    return kept


def _linked(path: Path, revision: str) -> Path:
    """A second name for the database."""
    number = 1
    while True:
        kept = path.with_name(f"{path.name}.before-{revision}{'' if number == 1 else f'-{number}'}")
        if not kept.exists():
            kept.hardlink_to(path)
            return kept
        if kept.samefile(path):
            # A process was killed between the two names.
            return kept
        number += 1


def _migrate(path: Path, location: str) -> None:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=NullPool,
        connect_args={"isolation_level": None},
        hide_parameters=True,
    )
    with engine.begin() as connection:
        # All revisions or none: SQLite's DDL obeys transactions, its Python driver has to be told to begin one.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", location)
        command.upgrade(config, "head")


def _require_unchanged(connection: sqlite3.Connection, commits_before: int) -> None:
    if _commits(connection) != commits_before:
        raise DatabaseUnusable(
            "Another program wrote to it meanwhile.", "Keep other programs away from the file.", passes=True
        )


def _commits(connection: sqlite3.Connection) -> int:
    """Changes whenever another connection commits."""
    ((version,),) = connection.execute("PRAGMA data_version").fetchall()
    return int(version)


def _make_alike(copy: Path, path: Path) -> None:
    """An empty file for those who may use the database, and nobody else."""
    like = path.stat()
    descriptor = os.open(copy, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        made = os.fstat(descriptor)
        if (made.st_uid, made.st_gid) != (like.st_uid, like.st_gid):
            os.fchown(descriptor, like.st_uid, like.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(like.st_mode))
    finally:
        os.close(descriptor)


def _remove(copy: Path) -> None:
    for part in _PARTS:
        copy.with_name(copy.name + part).unlink(missing_ok=True)


def _failed(path: Path, how: str, error: Exception) -> MigrationFailed:
    what = f"The database {path} could not be migrated {how}; it is as it was."
    if isinstance(error, StoreError):
        return MigrationFailed(f"{what} {error.what}", error.advice, passes=error.passes)
    # An error of SQLite without its statement, which may hold values.
    said = error.orig if isinstance(error, DBAPIError) else error
    return MigrationFailed(
        f"{what} {type(said).__name__}: {said}.", "Run the former oddaemon until then, and report this to us."
    )
