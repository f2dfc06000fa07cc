"""A transaction of SQLite in the thread of its connection, without SQLAlchemy between."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any, TypeVar

from sqlalchemy import Table, TextClause
from sqlalchemy.exc import IntegrityError

from oddaemon.core.model import Balance
from oddaemon.store.database import Transaction
from oddaemon.store.sqlite.dialect import ROWS_PER_STATEMENT, bind_values, write_insert

T = TypeVar("T")


class SqliteTransaction:
    """As `Transaction`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, statement: TextClause, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """As `Transaction.execute`."""
        with _translate_integrity():
            return self._connection.execute(*bind_values(statement, values)).fetchall()

    def execute_many(self, statement: TextClause, rows: Sequence[Mapping[str, Any]]) -> None:
        """As `Transaction.execute_many`."""
        with _translate_integrity():
            for row in rows:
                self._connection.execute(*bind_values(statement, row))

    def insert_balances(self, table: Table, keys: Mapping[str, int], balances: Sequence[Balance]) -> None:
        """As `Transaction.insert_balances`."""
        key_values, first = tuple(keys.values()), 0
        with _translate_integrity():
            for rows in ROWS_PER_STATEMENT:
                statement = write_insert(table.name, tuple(keys), rows)
                while first + rows <= len(balances):
                    values = chain(key_values, chain.from_iterable(balances[first : first + rows]))
                    self._connection.execute(statement, tuple(values))
                    first += rows


def run_transaction(connection: sqlite3.Connection, work: Callable[[Transaction], T]) -> T:
    """Run a function in one transaction of a connection that has none.

    Raises:
        sqlite3.Error: the database fails; nothing was written. Whatever `work` raises does the same.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = work(SqliteTransaction(connection))
        connection.commit()
    except BaseException:
        connection.rollback()  # nothing, where a full disk has ended it
        raise
    return result


@contextmanager
def _translate_integrity() -> Iterator[None]:
    try:
        yield
    except sqlite3.IntegrityError as error:
        # As SQLAlchemy reports it for every other statement, and without its values.
        raise IntegrityError(None, None, error) from None
