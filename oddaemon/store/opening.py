"""Opens a database, whichever program keeps it: a file of SQLite, or a PostgreSQL server."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from oddaemon.store.database import Database, ErrorCallback, Upkeep
from oddaemon.store.errors import StoreError
from oddaemon.store.fleet.fence import FencedDatabase
from oddaemon.store.history.reader import HistoryReader
from oddaemon.store.sqlite import read_connection as sqlite_reading
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.store.sqlite.location import parse_database_path
from oddaemon.store.sqlite.upkeep import SqliteUpkeep

if TYPE_CHECKING:
    from oddaemon.store.postgresql.connection import PostgresDatabase

_POSTGRESQL_SCHEMES = ("postgresql://", "postgres://")


@asynccontextmanager
async def open_database(url: str, on_error: ErrorCallback | None = None) -> AsyncIterator[Database]:
    """Open for writing; create or migrate what is there.

    Args:
        url: a path, a SQLAlchemy URL of SQLite, or `postgresql://…`.
        on_error: called with every fault of the database while it is open.

    Raises:
        StoreError: as `SqliteDatabase.open` and `PostgresDatabase.open`, or psycopg is not installed.
    """
    if is_postgresql(url):
        async with _import_database().open(url, on_error) as server:
            yield server
    else:
        async with SqliteDatabase.open(url, on_error) as file:
            yield file


@asynccontextmanager
async def open_for_reading(url: str) -> AsyncIterator[Database]:
    """Open for reading, while daemons write to it or not: no migration, no writes.

    Args:
        url: as `open_database`.

    Raises:
        StoreError: as `SqliteDatabase.open_for_reading` and `PostgresDatabase.open_for_reading`, or psycopg is not
            installed.
    """
    if is_postgresql(url):
        async with _import_database().open_for_reading(url) as server:
            yield server
    else:
        async with SqliteDatabase.open_for_reading(url) as file:
            yield file


@contextmanager
def open_history(url: str) -> Iterator[HistoryReader]:
    """Open a database for reading, for one thread and without an event loop.

    Args:
        url: a path or a URL, as in `[state] database`.

    Raises:
        StoreError: it does not exist, or this version cannot read it.
    """
    if is_postgresql(url):
        with requiring_driver():
            from oddaemon.store.postgresql import read_connection  # noqa: PLC0415 - psycopg is an extra
        with read_connection.open_read_connection(url) as connection:
            yield HistoryReader(connection)
    else:
        with sqlite_reading.open_read_connection(parse_database_path(url)) as file:
            yield HistoryReader(file)


def get_upkeep(database: Database) -> Upkeep:
    """The upkeep of an open database."""
    if isinstance(database, FencedDatabase):
        return get_upkeep(database.unfenced)
    if isinstance(database, SqliteDatabase):
        return SqliteUpkeep(database)
    from oddaemon.store.postgresql.connection import PostgresDatabase  # noqa: PLC0415 - needs an extra
    from oddaemon.store.postgresql.upkeep import PostgresUpkeep  # noqa: PLC0415 - the same

    assert isinstance(database, PostgresDatabase), "there are two kinds of databases"
    return PostgresUpkeep(database)


def is_postgresql(url: str) -> bool:
    """Whether it is the URL of a PostgreSQL server, and no path and no URL of SQLite."""
    return url.startswith(_POSTGRESQL_SCHEMES)


@contextmanager
def requiring_driver() -> Iterator[None]:
    """Raise a `StoreError` where the driver of PostgreSQL, which is an extra, is imported and not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "psycopg":
            raise
        raise StoreError(
            "The database is on PostgreSQL, and its driver is not installed.", "Run pip install 'oddaemon[postgres]'."
        ) from None


def _import_database() -> "type[PostgresDatabase]":
    with requiring_driver():
        from oddaemon.store.postgresql.connection import PostgresDatabase  # noqa: PLC0415 - psycopg is an extra
    return PostgresDatabase
