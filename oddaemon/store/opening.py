"""Opens a database, whichever program keeps it: a file of SQLite, or a PostgreSQL server."""

from collections.abc import Iterator
from contextlib import contextmanager

from oddaemon.store.errors import StoreError
from oddaemon.store.history.reader import HistoryReader
from oddaemon.store.sqlite import read_connection as sqlite_reading
from oddaemon.store.sqlite.location import parse_database_path

_POSTGRESQL_SCHEMES = ("postgresql://", "postgres://")


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
