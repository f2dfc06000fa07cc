"""A database on a real PostgreSQL, empty or as it was left."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import psycopg

from oddaemon.store.postgresql.connection import PostgresDatabase
from oddaemon.store.schema import metadata

FIXED = {"compatibility"}
"""Rows of the migrations."""


async def empty_database(dsn: str) -> None:
    """Delete all rows, if there are tables."""
    tables = ", ".join(metadata.tables.keys() - FIXED)
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        cursor = await connection.execute("SELECT to_regclass('alembic_version') IS NOT NULL")
        if await cursor.fetchone() == (True,):
            await connection.execute(f"TRUNCATE {tables} RESTART IDENTITY CASCADE".encode())


@asynccontextmanager
async def open_database(
    dsn: str, *, emptied: bool = True, on_error: Callable[[Exception], None] | None = None
) -> AsyncIterator[PostgresDatabase]:
    if emptied:
        await empty_database(dsn)
    async with PostgresDatabase.open(dsn, on_error) as database:
        for each in database._connections.list_all():
            # Each statement is prepared when it is first executed, so the server itself resolves every type.
            each.driver.prepare_threshold = 0
        yield database
