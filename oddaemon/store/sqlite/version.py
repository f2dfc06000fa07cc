"""Checks the revision of a database, and migrates it where that is allowed.

A few small queries recognise an up-to-date database, so that a start need not load Alembic. Everything here blocks: run
it in a thread, before the database is opened.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from oddaemon.core.reporting.command_hints import START_DAEMON, START_DAEMON_ONCE
from oddaemon.store.database import OpenResult
from oddaemon.store.errors import (
    DatabaseDamaged,
    DatabaseMissing,
    DatabaseNewer,
    DatabaseOlder,
    DatabaseUnfinished,
    DatabaseUnusable,
)
from oddaemon.store.schema import APPLICATION_ID, REVISIONS, UNFINISHED_REVISION, metadata
from oddaemon.store.sqlite.copy import open_read_only, read_pragma, require_consistent
from oddaemon.store.sqlite.errors import translate_errors
from oddaemon.store.sqlite.location import get_wal_bytes
from oddaemon.store.sqlite.open_mark import has_lost_log

MIGRATIONS_LOCATION = "oddaemon.store:migrations"
"""Where Alembic finds the revisions."""


def prepare(path: Path, revisions: Sequence[str] = REVISIONS, location: str = MIGRATIONS_LOCATION) -> OpenResult:
    """Migrate the database to this program's revision, and check it. The caller holds its lock.

    Raises:
        DatabaseNewer: it was made by a newer oddaemon.
        DatabaseUnusable: it belongs to another program, is damaged, or cannot be written or migrated.
    """
    _roll_back_interrupted(path)
    with translate_errors(path), closing(open_read_only(path)) as connection:
        _require_full_length(connection, path)
        revision = read_revision(connection, path, revisions)
        result = OpenResult(has_lost_log=has_lost_log(connection, path))
    if revision != revisions[-1]:
        from oddaemon.store.sqlite import upgrade  # noqa: PLC0415 - loading Alembic takes longer than opening a database

        if revision is None:
            upgrade.create(path, revisions[-1], location)
            result = OpenResult(is_new=True)
        else:
            previous_file = upgrade.upgrade(path, revision, revisions[-1], location)
            result = replace(result, previous_revision=revision, previous_file=previous_file)
    with translate_errors(path), closing(open_read_only(path)) as connection:
        # Checking every page of every table takes minutes on a large fleet; that is `integrity_check`.
        require_consistent(connection, path, "quick_check('office')")
        _require_tables(connection, path)
    return result


def require_newest(path: Path, revisions: Sequence[str] = REVISIONS) -> OpenResult:
    """Check that a reader, which never migrates, can read the database.

    Returns:
        Whether its log is missing.

    Raises:
        DatabaseMissing: there is no file, or it is empty.
        DatabaseOlder: the daemon must migrate it first.
        DatabaseNewer: it was made by a newer oddaemon.
        DatabaseUnusable: it belongs to another program or cannot be read.
    """
    with translate_errors(path):
        # A path that may not be looked at is not a missing database.
        exists, is_directory = path.exists(), path.is_dir()
    if not exists:
        raise DatabaseMissing(f"There is no database at {path}.", START_DAEMON)
    if is_directory:
        raise DatabaseUnusable(f"{path} is a directory, not a database.", "Set a file in it, such as oddaemon.db.")
    with translate_errors(path), closing(open_read_only(path)) as connection:
        _require_full_length(connection, path)
        revision = read_revision(connection, path, revisions)
        result = OpenResult(has_lost_log=has_lost_log(connection, path))
        if revision == revisions[-1]:
            _require_tables(connection, path)
    if revision is None:
        raise DatabaseMissing(f"The database {path} is empty.", START_DAEMON_ONCE)
    if revision != revisions[-1]:
        raise DatabaseOlder(
            f"The database {path} has revision {revision}, this oddaemon needs {revisions[-1]}.",
            "Restart the daemon with this version: it migrates the database at its start.",
        )
    return result


def read_revision(connection: sqlite3.Connection, path: Path, revisions: Sequence[str] = REVISIONS) -> str | None:
    """The database's revision, None for an empty one.

    Raises:
        DatabaseNewer: this program does not know the revision.
        DatabaseUnusable: it belongs to another program, or is damaged.
    """
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if read_pragma(connection, "application_id") != APPLICATION_ID:
        if tables:
            raise DatabaseUnusable(
                f"The database {path} belongs to another program.", "Set another path in [state] database."
            )
        return None
    found = (
        connection.execute("SELECT version_num FROM alembic_version").fetchall() if "alembic_version" in tables else []
    )
    if len(found) != 1:
        raise DatabaseDamaged(path, "its revision is missing")
    ((revision,),) = found
    if revision == UNFINISHED_REVISION:
        raise DatabaseUnfinished(path)
    if revision not in revisions:
        raise DatabaseNewer(
            f"The database {path} has revision {revision}, made by a newer oddaemon; "
            f"this version supports revisions up to {revisions[-1]}.",
            "Run the newer oddaemon again, or restore the backup from before its first start.",
        )
    return str(revision)


def _roll_back_interrupted(path: Path) -> None:
    """Roll back a transaction that was interrupted while the tables were created, or while the log was not in use.

    SQLite does it when the file is read, but only through a connection that may write.
    """
    with translate_errors(path):
        if not path.with_name(f"{path.name}-journal").exists():
            return
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, isolation_level=None)) as connection:
            connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()


def _require_full_length(connection: sqlite3.Connection, path: Path) -> None:
    """Check the length, as SQLite itself notices only missing whole pages. With a log the file may be shorter."""
    size_bytes = read_pragma(connection, "page_count") * read_pragma(connection, "page_size")
    if path.stat().st_size < size_bytes and not get_wal_bytes(path):
        raise DatabaseDamaged(path, "it was truncated")


def _require_tables(connection: sqlite3.Connection, path: Path) -> None:
    """Check that every table and column that this program uses exists."""
    for table in metadata.tables.values():
        columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table.name})")}
        missing = [column.name for column in table.columns if column.name not in columns]
        if missing:
            raise DatabaseDamaged(path, f"table {table.name} lacks {', '.join(missing)}")
