"""Bringing a database to the newest revision, and refusing those that cannot be.

An up-to-date database is recognised by a few small queries, so that a start need not wait for Alembic to load.
Everything here blocks: it is run in a thread, before the database is open.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from oddaemon.store.errors import DatabaseDamaged, DatabaseMissing, DatabaseNewer, DatabaseOlder, DatabaseUnusable
from oddaemon.store.schema import APPLICATION_ID, REVISIONS, metadata
from oddaemon.store.sqlite.copy import open_read_only
from oddaemon.store.sqlite.errors import translate_errors

MIGRATIONS_LOCATION = "oddaemon.store:migrations"
"""Where Alembic finds the revisions."""


@dataclass(frozen=True, slots=True)
class OpenResult:
    """What it took to bring a database to this program's revision."""

    previous_revision: str | None = None
    """What was migrated; None: nothing had to be, or the database is new."""
    previous_file: Path | None = None
    """The former file, as it was."""
    is_new: bool = False
    """Whether there was nothing in it."""


def prepare(path: Path, revisions: Sequence[str] = REVISIONS, location: str = MIGRATIONS_LOCATION) -> OpenResult:
    """Bring the database to this program's revision, and look whether it is sound.

    Args:
        path: of the database, which exists; whoever calls holds its lock.
        revisions: those that this program knows, oldest first.
        location: where Alembic finds them.

    Raises:
        DatabaseNewer: it was made by a newer oddaemon.
        DatabaseUnusable: it belongs to another program, is damaged, or cannot be written or migrated.
    """
    with translate_errors(path), closing(open_read_only(path)) as connection:
        _require_full_length(connection, path)
        revision = read_revision(connection, path, revisions)
    result = OpenResult()
    if revision != revisions[-1]:
        from oddaemon.store.sqlite import upgrade  # noqa: PLC0415 - loading Alembic takes longer than opening a database

        if revision is None:
            upgrade.create(path, location)
            result = OpenResult(is_new=True)
        else:
            previous_file = upgrade.upgrade(path, revision, revisions[-1], location)
            result = OpenResult(revision, previous_file)
    with translate_errors(path), closing(open_read_only(path)) as connection:
        # Checking every page of every table takes minutes on a large fleet; that is `integrity_check`.
        problems = [line for (line,) in connection.execute("PRAGMA quick_check('office')")]
        if problems != ["ok"]:
            raise DatabaseDamaged(path, " ".join(problems[0].split()))
        _require_tables(connection, path)
    return result


def require_newest(path: Path, revisions: Sequence[str] = REVISIONS) -> None:
    """Check what a reader needs, who never migrates.

    Raises:
        DatabaseMissing: there is no file, or nothing was ever stored in it.
        DatabaseOlder: it waits for its daemon to migrate it.
        DatabaseNewer: it was made by a newer oddaemon.
        DatabaseUnusable: it belongs to another program or cannot be read.
    """
    if not path.exists():
        raise DatabaseMissing(
            f"There is no database at {path}.", "Start the daemon first: `oddaemon run` makes it; or check --config."
        )
    if path.is_dir():
        raise DatabaseUnusable(f"{path} is a directory, not a database.", "Name the file in it, such as oddaemon.db.")
    with translate_errors(path), closing(open_read_only(path)) as connection:
        _require_full_length(connection, path)
        revision = read_revision(connection, path, revisions)
        if revision == revisions[-1]:
            _require_tables(connection, path)
    if revision is None:
        raise DatabaseMissing(f"The database {path} is empty.", "Start the daemon once: `oddaemon run` sets it up.")
    if revision != revisions[-1]:
        raise DatabaseOlder(
            f"The database {path} is of revision {revision}, this oddaemon reads {revisions[-1]}.",
            "Restart the daemon with this version: it migrates the database when it starts.",
        )


def read_revision(connection: sqlite3.Connection, path: Path, revisions: Sequence[str] = REVISIONS) -> str | None:
    """The database's revision, None for an empty one.

    Raises:
        DatabaseNewer: the revision is none of those that this program knows.
        DatabaseUnusable: it belongs to another program, or is damaged.
    """
    ((application_id,),) = connection.execute("PRAGMA application_id").fetchall()
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if application_id != APPLICATION_ID:
        if tables:
            raise DatabaseUnusable(
                f"The database {path} belongs to another program.", "Point [state] database at another path."
            )
        return None
    found = (
        connection.execute("SELECT version_num FROM alembic_version").fetchall() if "alembic_version" in tables else []
    )
    if len(found) != 1:
        raise DatabaseDamaged(path, "its revision is not in it")
    ((revision,),) = found
    if revision not in revisions:
        raise DatabaseNewer(
            f"The database {path} is of revision {revision}, made by a newer oddaemon; "
            f"this one knows revisions up to {revisions[-1]}.",
            "Start the newer oddaemon again, or restore the backup from before its first start.",
        )
    return str(revision)


def _require_full_length(connection: sqlite3.Connection, path: Path) -> None:
    """SQLite itself misses only whole pages. With a log beside it the file may be shorter: the rest is there."""
    ((pages,),) = connection.execute("PRAGMA page_count").fetchall()
    ((page_bytes,),) = connection.execute("PRAGMA page_size").fetchall()
    log = path.with_name(f"{path.name}-wal")
    if path.stat().st_size < pages * page_bytes and not (log.exists() and log.stat().st_size):
        raise DatabaseDamaged(path, "it was cut off")


def _require_tables(connection: sqlite3.Connection, path: Path) -> None:
    """Look for every table and column that this program works with."""
    for table in metadata.tables.values():
        columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table.name})")}
        missing = [column.name for column in table.columns if column.name not in columns]
        if missing:
            raise DatabaseDamaged(path, f"table {table.name} lacks {', '.join(missing)}")
