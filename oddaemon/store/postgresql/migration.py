"""Brings a database on a server to this program's revision.

Several daemons may start at once, and older ones may be at work. So each revision is a transaction of its own, under a
lock of the database, and waits only shortly for the locks of others; revisions only add, and a row says which programs
may still write. PostgreSQL's DDL is transactional: a revision is there as a whole or not at all.

Alembic is loaded only where there is something to do: that takes longer than opening a database.
"""

import time
from collections.abc import Callable, Sequence

import anyio.to_thread
import psycopg
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from oddaemon.core.reporting.command_hints import START_DAEMON_ONCE
from oddaemon.store.database import OpenResult
from oddaemon.store.errors import (
    DatabaseDamaged,
    DatabaseMissing,
    DatabaseNewer,
    DatabaseOlder,
    DatabaseUnfinished,
    DatabaseUnusable,
    MigrationFailed,
    StoreError,
)
from oddaemon.store.postgresql.connecting import SESSION_SETTINGS, write_settings
from oddaemon.store.postgresql.errors import translate_errors
from oddaemon.store.postgresql.statement_connection import Executor, StatementConnection
from oddaemon.store.schema import REVISIONS, UNFINISHED_REVISION, metadata

MIGRATIONS_LOCATION = "oddaemon.store:migrations"
"""Where Alembic finds the revisions."""
_LOCK_KEY = 0x6F646461
"""Of the lock under which revisions are made: "odda"."""
_SETTINGS = {"lock_timeout": "3s", "statement_timeout": "0"}
"""A revision that waits for a lock makes everyone else wait behind it; one that works may take its time."""
_ATTEMPTS = 20
_PAUSE_SECONDS = 0.5
_RETRIED = {"55P03", "40P01", "40001"}
"""SQLSTATEs: a lock is held by others."""

_TABLES = (
    "SELECT relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace "
    "WHERE nspname = current_schema() AND relkind IN ('r', 'p') AND NOT EXISTS "
    "(SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e')"
)
"""The tables of the schema, without those of extensions."""
_COLUMNS = (
    "SELECT relname, attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid "
    "JOIN pg_namespace ON pg_namespace.oid = relnamespace "
    "WHERE nspname = current_schema() AND attnum > 0 AND NOT attisdropped"
)
"""Of all tables, also where this user has no rights."""
_REVISION = "SELECT version_num FROM alembic_version"


async def prepare(
    connection: StatementConnection,
    conninfo: str,
    revisions: Sequence[str] = REVISIONS,
    location: str = MIGRATIONS_LOCATION,
) -> OpenResult:
    """Migrate the database to this program's revision, and check that every table and column is there.

    Args:
        connection: for writing.
        conninfo: for the connection that migrates.
        revisions: that this program knows, oldest first.
        location: where Alembic finds them.

    Raises:
        DatabaseNewer: it was made by a newer oddaemon that does not let this one write.
        MigrationFailed: with the cause; the data is unchanged.
        DatabaseUnusable: it belongs to another program, or cannot be read.
    """
    found = await _read_revision(connection)
    result = OpenResult()
    if found is None or (found in revisions and found != revisions[-1]):
        await anyio.to_thread.run_sync(_migrate, connection.where, conninfo, revisions, location)
        result = OpenResult(is_new=found is None, previous_revision=found)
    elif found not in revisions:
        await _require_compatible(connection, found, revisions)
    await _require_tables(connection)
    return result


async def require_newest(connection: Executor, revisions: Sequence[str] = REVISIONS) -> None:
    """Check that a reader, which never migrates, can read the database.

    Raises:
        DatabaseMissing: it is empty.
        DatabaseOlder: a daemon must migrate it first.
        DatabaseNewer: it was made by a newer oddaemon that changed more than this one can read.
        DatabaseUnusable: it belongs to another program, or cannot be read.
    """
    where = connection.where
    found = await _read_revision(connection)
    if found is None:
        raise DatabaseMissing(f"The database {where} is empty.", START_DAEMON_ONCE)
    if found not in revisions:
        await _require_compatible(connection, found, revisions)
    elif found != revisions[-1]:
        raise DatabaseOlder(
            f"The database {where} has revision {found}, this oddaemon needs {revisions[-1]}.",
            "Restart the daemons with this version: the first one migrates the database at its start.",
        )
    await _require_tables(connection)


async def _read_revision(connection: Executor) -> str | None:
    """The database's revision, None for an empty one.

    Raises:
        DatabaseUnusable: it belongs to another program, or is damaged.
    """
    tables = {name for (name,) in await connection.execute(_TABLES)}
    if not tables:
        return None
    # The other tables may not be there yet: another daemon is making them, or one was killed in between.
    if not {"alembic_version", "office"} <= tables:
        raise DatabaseUnusable(
            f"The database {connection.where} belongs to another program.",
            "Create a database for oddaemon alone, or give it a schema of its own: add "
            "?options=-c%20search_path%3Doddaemon to the URL.",
        )
    revision = _get_only(await connection.execute(_REVISION), connection.where)
    if revision == UNFINISHED_REVISION:
        raise DatabaseUnfinished(connection.where)
    return revision


def _get_only(rows: Sequence[tuple[str]], where: str) -> str:
    if len(rows) != 1:
        raise DatabaseDamaged(where, "its revision is missing")
    ((revision,),) = rows
    return str(revision)


async def _require_compatible(connection: Executor, found: str, revisions: Sequence[str]) -> None:
    """Check that a newer database lets this program write."""
    rows = await connection.execute("SELECT serves_from FROM compatibility")
    if _get_only(rows, connection.where) not in revisions:
        raise DatabaseNewer(
            f"The database {connection.where} has revision {found}, made by a newer oddaemon; "
            f"this version supports revisions up to {revisions[-1]}.",
            "Install the newer oddaemon on this machine, too.",
        )


async def _require_tables(connection: Executor) -> None:
    """Check that every table and column that this program uses exists."""
    columns = set(await connection.execute(_COLUMNS))
    for table in metadata.sorted_tables:
        missing = [column.name for column in table.columns if (table.name, column.name) not in columns]
        if missing:
            raise DatabaseDamaged(connection.where, f"table {table.name} lacks {', '.join(missing)}")


def _migrate(where: str, conninfo: str, revisions: Sequence[str], location: str) -> None:
    """Make the missing revisions, one after the other, unless another daemon is quicker. Blocks."""
    try:
        with translate_errors(where):
            for revision in revisions:
                _retry(lambda: _make_revision(conninfo, revisions, revision, location))  # noqa: B023 - called at once
    except Exception as error:  # noqa: BLE001 - whatever a migration raises, the message must say that nothing is lost
        raise _make_error(where, revisions[-1], error) from None


def _retry(attempt: Callable[[], None]) -> None:
    for number in range(1, _ATTEMPTS + 1):
        try:
            return attempt()
        except DBAPIError as error:
            sqlstate = error.orig.sqlstate if isinstance(error.orig, psycopg.Error) else None
            if sqlstate not in _RETRIED or number == _ATTEMPTS:
                raise
        time.sleep(_PAUSE_SECONDS)
    return None


def _make_revision(conninfo: str, revisions: Sequence[str], revision: str, location: str) -> None:
    from alembic import command  # noqa: PLC0415 - only where there is something to do
    from alembic.config import Config  # noqa: PLC0415 - the same

    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(conninfo),
        poolclass=NullPool,
        hide_parameters=True,
        use_native_hstore=False,
    )
    with engine.begin() as connection:
        connection.execute(text(write_settings({**SESSION_SETTINGS, **_SETTINGS})))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
        if _is_wanted(connection, revisions, revision):
            config = Config(attributes={"connection": connection})
            config.set_main_option("script_location", location)
            command.upgrade(config, revision)


def _is_wanted(connection: Connection, revisions: Sequence[str], revision: str) -> bool:
    """Whether this revision is the next one: another daemon may have made it meanwhile."""
    if not connection.scalar(text("SELECT to_regclass('alembic_version') IS NOT NULL")):
        return revision == revisions[0]
    found = connection.scalar(text(_REVISION))
    return found in revisions and revisions.index(found) < revisions.index(revision)


def _make_error(where: str, newest: str, error: Exception) -> StoreError:
    what = f"The database {where} could not be migrated to revision {newest}; its data is unchanged."
    if isinstance(error, StoreError):
        return MigrationFailed(f"{what} {error.what}", error.advice, is_transient=error.is_transient)
    return MigrationFailed(
        f"{what} {type(error).__name__}.", "Keep running the previous oddaemon, and report this bug."
    )
