"""A connection that reads a file, for one thread and without an event loop."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import TextClause

from oddaemon.store.sqlite.copy import open_read_only
from oddaemon.store.sqlite.dialect import bind_values
from oddaemon.store.sqlite.errors import translate_errors, translate_read_errors
from oddaemon.store.sqlite.open_mark import describe_lost_log
from oddaemon.store.sqlite.version import require_newest


class SqliteReadConnection:
    """As `ReadConnection`. Make one with `open_read_connection`."""

    def __init__(self, path: Path, connection: sqlite3.Connection, *, has_lost_log: bool = False) -> None:
        self.path = path
        self.warning = describe_lost_log(path) if has_lost_log else ""
        self._connection = connection

    @property
    def where(self) -> str:
        """The path."""
        return str(self.path)

    def fetch(self, statement: TextClause, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """As `ReadConnection.fetch`."""
        with translate_read_errors(self.path):
            return self._connection.execute(*bind_values(statement, values)).fetchall()

    def stream(
        self, statement: TextClause, values: Mapping[str, Any], rows_per_batch: int
    ) -> Iterator[list[tuple[Any, ...]]]:
        """As `ReadConnection.stream`."""
        with translate_read_errors(self.path):
            cursor = self._connection.execute(*bind_values(statement, values))
            while rows := cursor.fetchmany(rows_per_batch):
                yield rows

    @contextmanager
    def hold_state(self) -> Iterator[None]:
        """As `ReadConnection.hold_state`."""
        with translate_read_errors(self.path):
            self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.rollback()


@contextmanager
def open_read_connection(path: Path) -> Iterator[SqliteReadConnection]:
    """Open a database that a daemon made, or a backup of one.

    Raises:
        StoreError: as `require_newest`.
    """
    path = path.expanduser().resolve()
    has_lost_log = require_newest(path).has_lost_log
    with translate_errors(path):
        connection = open_read_only(path)
    # An error in the block is the caller's: the methods above translate those of the database.
    with closing(connection):
        yield SqliteReadConnection(path, connection, has_lost_log=has_lost_log)
