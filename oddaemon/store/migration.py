"""Bringing a database to the newest revision, and refusing those that cannot be.

An up-to-date database is recognised by two small queries, so that a start need not wait for Alembic to load. Everything
here blocks: it is run in a thread, before the database is open.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import URL, create_engine
from sqlalchemy.pool import NullPool

from oddaemon.store.errors import DatabaseMissing, DatabaseNewer, DatabaseOlder, DatabaseUnusable, explained
from oddaemon.store.schema import APPLICATION_ID, REVISIONS


def prepare(path: Path) -> None:
    """Bring the database to this program's revision, and look whether it is sound.

    Raises:
        DatabaseNewer: it was made by a newer oddaemon.
        DatabaseUnusable: it belongs to another program, is damaged, or cannot be written.
    """
    with explained(path):
        with _connected(path) as connection:
            revision = _revision(connection, path, REVISIONS)
        if revision != REVISIONS[-1]:
            _migrate(path)
        with _connected(path) as connection:
            # Checking every page of every table takes minutes on a large fleet; that is `integrity_check`.
            problems = [line for (line,) in connection.execute("PRAGMA quick_check('office')")]
    if problems != ["ok"]:
        raise DatabaseUnusable(
            f"The database {path} is damaged: {' '.join(problems[0].split())}.",
            "Stop the daemon, keep a copy of the file, and restore the last backup.",
        )


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
    with explained(path), _connected(path) as connection:
        revision = _revision(connection, path, revisions)
    if revision is None:
        raise DatabaseMissing(f"The database {path} is empty.", "Start the daemon once: `oddaemon run` sets it up.")
    if revision != revisions[-1]:
        raise DatabaseOlder(
            f"The database {path} is of revision {revision}, this oddaemon reads {revisions[-1]}.",
            "Restart the daemon with this version: it migrates the database when it starts.",
        )


def _revision(connection: sqlite3.Connection, path: Path, revisions: Sequence[str]) -> str | None:
    """The database's revision, None for an empty one."""
    ((application_id,),) = connection.execute("PRAGMA application_id").fetchall()
    if application_id != APPLICATION_ID:
        if connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            raise DatabaseUnusable(
                f"The database {path} belongs to another program.", "Point [state] database at another path."
            )
        return None
    ((revision,),) = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    if revision not in revisions:
        raise DatabaseNewer(
            f"The database {path} is of revision {revision}, made by a newer oddaemon; "
            f"this one knows revisions up to {revisions[-1]}.",
            "Start the newer oddaemon again, or restore the backup from before its first start.",
        )
    return str(revision)


def _migrate(path: Path) -> None:
    from alembic import command  # noqa: PLC0415 - loading it takes longer than opening a database
    from alembic.config import Config  # noqa: PLC0415 - the same

    engine = create_engine(
        URL.create("sqlite", database=str(path)), poolclass=NullPool, connect_args={"isolation_level": None}
    )
    with engine.begin() as connection:
        # All revisions or none: SQLite's DDL obeys transactions, its Python driver has to be told to begin one.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", "oddaemon.store:migrations")
        command.upgrade(config, "head")


@contextmanager
def _connected(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        yield connection
