"""PostgreSQL's side of `Database` and `Dialect`, as small as the tables' modules need it to be tested."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import psycopg
from sqlalchemy import Executable, Row, Table, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from oddaemon.core.model import Balance
from oddaemon.store.errors import decoding_errors
from oddaemon.store.schema import REVISIONS, compatibility, metadata
from oddaemon.store.values import BALANCE_COLUMNS

T = TypeVar("T")


class PostgresqlDialect:
    def make_json_array(self, values: str) -> str:
        return f"json_build_array({values})"

    def make_json_rows(self, row: str, source: str) -> str:
        return f"SELECT CAST(coalesce(json_agg({row}), '[]') AS text) FROM ({source}) AS listed"

    def measure_json(self, column: str) -> str:
        return f"json_array_length(CAST({column} AS json))"

    def is_listed(self, column: str, parameter: str) -> str:
        return f"{column} = ANY(:{parameter})"

    async def insert_balances(
        self, connection: AsyncConnection, table: Table, keys: Mapping[str, int], balances: Sequence[Balance]
    ) -> None:
        driver = (await connection.get_raw_connection()).driver_connection
        assert isinstance(driver, psycopg.AsyncConnection)
        copy = f"COPY {table.name} ({', '.join(keys)}, {BALANCE_COLUMNS}) FROM STDIN (FORMAT BINARY)"
        async with driver.cursor() as cursor, cursor.copy(copy) as rows:
            rows.set_types(["int8"] * (len(keys) + len(Balance._fields)))
            for balance in balances:
                await rows.write_row((*keys.values(), *balance))


DIALECT = PostgresqlDialect()


class PostgresqlDatabase:
    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine

    @property
    def where(self) -> str:
        return "PostgreSQL"

    @property
    def dialect(self) -> PostgresqlDialect:
        return DIALECT

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        async with self.engine.begin() as connection:
            yield connection

    async def execute_one(
        self, statement: TextClause | str, values: Mapping[str, Any] | Sequence[Any] = ()
    ) -> list[Any]:
        async with self.engine.begin() as connection:
            result = await connection.execute(_make_text(statement), dict(values))
            return list(map(tuple, result.all())) if result.returns_rows else []

    async def select(self, query: Executable, parse: Callable[[Row[Any]], T]) -> list[T]:
        with decoding_errors(self.where):
            async with self.engine.connect() as connection:
                rows = (await connection.execute(query)).all()
            return list(map(parse, rows))

    async def fetch(
        self,
        statement: TextClause | str,
        values: Mapping[str, Any] | Sequence[Any],
        parse: Callable[[Sequence[Any]], T],
    ) -> list[T]:
        with decoding_errors(self.where):
            async with self.engine.connect() as connection:
                rows = (await connection.execute(_make_text(statement), dict(values))).all()
            return [parse(tuple(row)) for row in rows]


def _make_text(statement: TextClause | str) -> TextClause:
    return text(statement) if isinstance(statement, str) else statement


@asynccontextmanager
async def open_database(dsn: str, *, emptied: bool = True) -> AsyncIterator[PostgresqlDatabase]:
    """A database with all tables, as `schema` describes them, and no rows; or as it was left."""
    url = dsn.replace("postgresql://", "postgresql+psycopg://", 1)
    # Each statement is prepared when it is first executed, so the server itself resolves every type.
    engine = create_async_engine(url, connect_args={"prepare_threshold": 0})
    try:
        if emptied:
            async with engine.begin() as connection:
                await connection.run_sync(metadata.drop_all)
                await connection.run_sync(metadata.create_all)
                await connection.execute(compatibility.insert().values(serves_from=REVISIONS[-1]))
        yield PostgresqlDatabase(engine)
    finally:
        await engine.dispose()
