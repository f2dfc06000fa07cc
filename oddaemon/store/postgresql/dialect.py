"""PostgreSQL's parts of the statements.

Versions go by COPY: 4,000 rows take 44 ms and 10 ms of the client's CPU, by executemany 254 and 95. Rows are read as
one JSON text, as in SQLite: 8,000 rows take 6 ms of the client's CPU instead of 20.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import anyio.lowlevel
import psycopg
from sqlalchemy import Table, TextClause, text
from sqlalchemy.dialects.postgresql import psycopg as driver_dialect
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from oddaemon.core.model import Balance
from oddaemon.store.values import BALANCE_COLUMNS

_ROWS_AT_ONCE = 2_000
"""Rows that are written before the event loop has another turn: about 5 ms."""
_DRIVER_DIALECT = driver_dialect.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's own
_TEXTS_MAX = 512
"""Statements whose text is kept; there are fewer, but for those that a test makes."""


class PostgresDialect:
    """As `Dialect`."""

    def make_json_array(self, values: str) -> str:
        """As `Dialect.make_json_array`."""
        return f"json_build_array({values})"

    def make_json_rows(self, row: str, source: str) -> str:
        """As `Dialect.make_json_rows`."""
        return f"SELECT CAST(coalesce(json_agg({row}), '[]') AS text) FROM ({source}) AS listed"  # noqa: S608 - our own text

    def measure_json(self, column: str) -> str:
        """As `Dialect.measure_json`."""
        return f"json_array_length(CAST({column} AS json))"

    def is_listed(self, column: str, parameter: str) -> str:
        """As `Dialect.is_listed`."""
        return f"{column} = ANY(:{parameter})"

    async def insert_balances(
        self, connection: AsyncConnection, table: Table, keys: Mapping[str, int], balances: Sequence[Balance]
    ) -> None:
        """As `Transaction.insert_balances`, on the connection of a transaction."""
        driver = (await connection.get_raw_connection()).driver_connection
        assert isinstance(driver, psycopg.AsyncConnection)
        copy = f"COPY {table.name} ({', '.join(keys)}, {BALANCE_COLUMNS}) FROM STDIN (FORMAT BINARY)"
        key_values = tuple(keys.values())
        try:
            async with driver.cursor() as cursor, cursor.copy(copy.encode()) as rows:
                rows.set_types(["int8"] * (len(keys) + len(Balance._fields)))
                for first in range(0, len(balances), _ROWS_AT_ONCE):
                    for balance in balances[first : first + _ROWS_AT_ONCE]:
                        await rows.write_row((*key_values, *balance))
                    # The driver waits only where the server is slower than it is.
                    await anyio.lowlevel.checkpoint()
        except psycopg.IntegrityError as error:
            # As SQLAlchemy reports it for every other statement.
            raise IntegrityError(None, None, error) from None


DIALECT = PostgresDialect()


def bind_values(statement: TextClause | str, values: Any) -> tuple[bytes, dict[str, Any] | None]:  # noqa: ANN401 - values by name
    """What the driver takes: the statement's text, and its values as PostgreSQL's driver adapts them."""
    sql, parameters = _compile(_parse(statement) if isinstance(statement, str) else statement)
    if not parameters:
        return sql, None
    return sql, {
        name: values[name] if convert is None else convert(values[name]) for name, convert in parameters.items()
    }


@lru_cache(_TEXTS_MAX)
def _parse(statement: str) -> TextClause:
    return text(statement)


@lru_cache(_TEXTS_MAX)
def _compile(statement: TextClause) -> tuple[bytes, dict[str, Callable[[Any], Any] | None]]:
    """The statement's text, and its parameters by name, each with what converts its value."""
    compiled = statement.compile(dialect=_DRIVER_DIALECT)
    types = {name: parameter.type.dialect_impl(_DRIVER_DIALECT) for name, parameter in compiled.binds.items()}
    sql = compiled.string if types else compiled.string.replace("%%", "%")
    return sql.encode(), {name: each.bind_processor(_DRIVER_DIALECT) for name, each in types.items()}
