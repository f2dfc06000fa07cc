"""Another program that reads the database for long."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from oddaemon.store.sqlite.connection import SqliteDatabase


@contextmanager
def hold_reading(database: SqliteDatabase) -> Iterator[None]:
    """Another program reads the database within the block."""
    with closing(sqlite3.connect(database.path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT COUNT(*) FROM office").fetchone()
        yield
