"""Migrates a database on a copy.

The database is not touched until its migrated copy is complete, checked and synced to the disk. Then the copy takes its
name, and the previous file is kept. If anything fails before that, or the process is killed, the database is unchanged.
"""

import os
import sqlite3
import stat
from contextlib import closing, suppress
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import URL, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from oddaemon.store.errors import DatabaseUnusable, MigrationFailed, StoreError
from oddaemon.store.sqlite.copy import (
    check_copy,
    copy_database,
    count_rows,
    fsync_path,
    get_size_bytes,
    open_read_only,
    read_pragma,
)
from oddaemon.store.sqlite.disk_space import require_space
from oddaemon.store.sqlite.errors import LOCKED, NO_DESCRIPTORS, translate_errors
from oddaemon.store.sqlite.location import make_temp_directory_pragma

AUTO_VACUUM_INCREMENTAL = 2
"""SQLite's value of `PRAGMA auto_vacuum`."""
_SUFFIXES = ("", "-journal", "-wal", "-shm")


def create(path: Path, newest: str, location: str) -> None:
    """Create all tables in an empty file: all of them or none.

    Raises:
        DatabaseUnusable: it cannot be written.
    """
    with translate_errors(path):
        enable_incremental_vacuum(path)
        _migrate(path, newest, location)


def upgrade(path: Path, revision: str, newest: str, location: str) -> Path:
    """Migrate a copy, check it, and put it in the database's place.

    Returns:
        Where the previous file is kept.

    Raises:
        MigrationFailed: with the cause; the database is unchanged.
    """
    copy = path.with_name(f"{path.name}.migrating")
    try:
        with closing(open_read_only(path)) as original:
            # Changes whenever another connection commits.
            version_before = read_pragma(original, "data_version")
            _copy_migrated(path, copy, newest, location)
            _require_unchanged(original, version_before)
        return _swap_files(path, copy, revision)
    # Whatever a migration raises, the message must say that nothing is lost.
    except Exception as error:
        raise _make_error(path, f"from revision {revision} to {newest}", error) from error
    finally:
        with suppress(OSError):
            _remove_files(copy)


def _copy_migrated(path: Path, copy: Path, newest: str, location: str) -> None:
    error_prefix = f"The copy {copy} cannot be made"
    with translate_errors(copy, error_prefix):
        # Left over by a killed process. The holder of the database's lock may delete it.
        _remove_files(copy)
        require_space(copy, get_size_bytes(path), error_prefix)
        _create_copy_file(copy, path)
        copy_database(path, copy, error_prefix)
        with closing(open_read_only(copy)) as connection:
            expected = count_rows(connection)
        enable_incremental_vacuum(copy)
        _migrate(copy, newest, location)
        fsync_path(copy)
    found = check_copy(copy)
    if found != expected:
        raise DatabaseUnusable(
            f"The migrated copy has {found.offices} offices and {found.snapshots} snapshots where the database has "
            f"{expected.offices} and {expected.snapshots}.",
            "Keep running the previous oddaemon, and report this bug.",
        )


def enable_incremental_vacuum(path: Path) -> None:
    """Set `auto_vacuum = INCREMENTAL`, so that free pages can be released a few at a time.

    For a database with tables this rewrites the file, which takes as long as copying it. No other process may have it
    open.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        if read_pragma(connection, "auto_vacuum") != AUTO_VACUUM_INCREMENTAL:
            connection.execute(make_temp_directory_pragma(path))
            connection.execute(f"PRAGMA auto_vacuum = {AUTO_VACUUM_INCREMENTAL}")
            connection.execute("VACUUM")


def _swap_files(path: Path, copy: Path, revision: str) -> Path:
    """Give the copy the database's name. A file of that name exists at every moment."""
    with (
        translate_errors(path),
        closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, isolation_level=None)) as connection,
    ):
        # Removes the log and its index. SQLite refuses it while another process has the file open, which would read the
        # new file with the old log.
        ((mode,),) = connection.execute("PRAGMA journal_mode = DELETE").fetchall()
        if mode != "delete":
            raise LOCKED.make_error(f"The database {path} cannot be used")
        connection.execute("BEGIN EXCLUSIVE")
        previous_file = _link_previous(path, revision)
        copy.replace(path)
        fsync_path(path.parent)
    return previous_file


def _link_previous(path: Path, revision: str) -> Path:
    """Give the database a second name, under which it is kept."""
    number = 1
    while True:
        previous_file = path.with_name(f"{path.name}.before-{revision}{'' if number == 1 else f'-{number}'}")
        if not previous_file.exists():
            previous_file.hardlink_to(path)
            return previous_file
        if previous_file.samefile(path):
            # A process was killed after it had linked this name.
            return previous_file
        number += 1


def _migrate(path: Path, newest: str, location: str) -> None:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=NullPool,
        connect_args={"isolation_level": None},
        hide_parameters=True,
    )
    with engine.begin() as connection:
        # All revisions or none: SQLite's DDL is transactional, but Python's driver begins no transaction for it.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", location)
        command.upgrade(config, "head")
        # Alembic takes a directory that cannot be read for one without revisions, and does nothing.
        if MigrationContext.configure(connection).get_current_revision() != newest:
            raise DatabaseUnusable(
                f"The revisions of the database {path} cannot be read.",
                f"Check that oddaemon is installed completely. {NO_DESCRIPTORS.advice}",
                is_transient=True,
            )


def _require_unchanged(connection: sqlite3.Connection, version_before: int) -> None:
    if read_pragma(connection, "data_version") != version_before:
        raise DatabaseUnusable(
            "Another program wrote to it during the migration.",
            "Stop other programs that use the file.",
            is_transient=True,
        )


def _create_copy_file(copy: Path, path: Path) -> None:
    """Create an empty file with the owner and mode of the database."""
    original = path.stat()
    descriptor = os.open(copy, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        created = os.fstat(descriptor)
        if (created.st_uid, created.st_gid) != (original.st_uid, original.st_gid):
            os.fchown(descriptor, original.st_uid, original.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(original.st_mode))
    finally:
        os.close(descriptor)


def _remove_files(copy: Path) -> None:
    for part in _SUFFIXES:
        copy.with_name(copy.name + part).unlink(missing_ok=True)


def _make_error(path: Path, how: str, error: Exception) -> MigrationFailed:
    what = f"The database {path} could not be migrated {how}; it is unchanged."
    if isinstance(error, StoreError):
        return MigrationFailed(f"{what} {error.what}", error.advice, is_transient=error.is_transient)
    # The error of SQLite without the statement, which may contain values.
    cause = error.orig if isinstance(error, DBAPIError) else error
    return MigrationFailed(
        f"{what} {type(cause).__name__}: {cause}.", "Keep running the previous oddaemon, and report this bug."
    )
