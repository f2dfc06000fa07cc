"""SQLite's parts of the statements.

Python's sqlite3 takes the interpreter lock for every row that it binds or fetches, which is slow beside a busy event
loop. Each statement therefore writes many rows, and rows are read as one JSON text. Writing 4,000 rows, idle and beside
a busy thread: one by one 11 and 25 ms, from one JSON text 13 and 47 ms, many to a statement 6 and 13 ms. Reading 8,000
rows beside a busy thread: one by one 384 ms, as one text 39 ms.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from sqlalchemy import TextClause
from sqlalchemy.dialects.sqlite import aiosqlite

from oddaemon.core.model import Balance
from oddaemon.store.values import BALANCE_COLUMNS

ROWS_PER_STATEMENT = (512, 32, 1)
"""Few sizes, so that each is prepared once."""
_DRIVER_DIALECT = aiosqlite.dialect()


class SqliteDialect:
    """As `Dialect`."""

    def make_json_array(self, values: str) -> str:
        """As `Dialect.make_json_array`."""
        return f"json_array({values})"

    def make_json_rows(self, row: str, source: str) -> str:
        """As `Dialect.make_json_rows`."""
        return f"SELECT json_group_array({row}) FROM ({source})"  # noqa: S608 - our own text

    def measure_json(self, column: str) -> str:
        """As `Dialect.measure_json`."""
        return f"json_array_length({column})"

    def is_listed(self, column: str, parameter: str) -> str:
        """As `Dialect.is_listed`."""
        return f"{column} IN (SELECT value FROM json_each(:{parameter}))"  # noqa: S608 - our own text


DIALECT = SqliteDialect()


def bind_values(statement: TextClause | str, values: Any) -> tuple[str, Any]:  # noqa: ANN401 - by name, or as the driver takes them
    """What the driver takes: the statement's text, and its values as SQLite holds them.

    A text is SQLite's own, and so are its values.
    """
    if isinstance(statement, str):
        return statement, values
    sql, parameters = _compile(statement)
    return sql, [values[name] if convert is None else convert(values[name]) for name, convert in parameters]


@cache
def _compile(statement: TextClause) -> tuple[str, list[tuple[str, Callable[[Any], Any] | None]]]:
    """The statement's text, and its parameters in their order, each with what converts its value."""
    compiled = statement.compile(dialect=_DRIVER_DIALECT)
    types = {name: parameter.type.dialect_impl(_DRIVER_DIALECT) for name, parameter in compiled.binds.items()}
    return compiled.string, [(name, types[name].bind_processor(_DRIVER_DIALECT)) for name in compiled.positiontup or ()]


@cache
def write_insert(table: str, keys: tuple[str, ...], rows: int) -> str:
    """A statement that inserts this number of balances. The values of the other columns, `keys`, come first, once."""
    numbered = ", ".join(f"?{number}" for number in range(1, len(keys) + 1))
    row = f"({numbered}, {', '.join('?' for _ in Balance._fields)})"
    return f"INSERT INTO {table} ({', '.join(keys)}, {BALANCE_COLUMNS}) VALUES {', '.join([row] * rows)}"  # noqa: S608 - our own names
