"""The tables that `schema` describes are those that the migrations create, in SQLite and in PostgreSQL."""

import sqlite3
from contextlib import closing
from pathlib import Path

import anyio.to_thread
from sqlalchemy import Integer, create_engine, text
from sqlalchemy.dialects.sqlite import pysqlite
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateTable

from oddaemon.store.column_types import Instant
from oddaemon.store.postgresql.connection import PostgresDatabase
from oddaemon.store.schema import metadata
from oddaemon.store.sqlite.version import prepare
from tests.store.postgresql.engines import on_postgresql

COLUMNS = (
    "SELECT table_name, column_name, udt_name, is_nullable, is_identity, collation_name, column_default "
    "FROM information_schema.columns WHERE table_schema = :name AND table_name <> 'alembic_version'"
)
INDEXES = (
    "SELECT tablename, indexname, replace(indexdef, schemaname || '.', '') FROM pg_indexes "
    "WHERE schemaname = :name AND tablename <> 'alembic_version'"
)
FOREIGN_KEYS = (
    "SELECT table_name, constraint_name FROM information_schema.table_constraints "
    "WHERE table_schema = :name AND constraint_type = 'FOREIGN KEY'"
)
OPTIONS = (
    "SELECT relname, array_to_string(reloptions, ',') FROM pg_class "
    "WHERE relnamespace = to_regnamespace(:name) AND relkind = 'r' AND relname <> 'alembic_version'"
)
ORDERED = {("office", "id"), ("delivery", "sink"), ("lease", "kind"), ("lease", "name")}
"""Columns by which rows are ordered."""


async def describe(database: PostgresDatabase, name: str) -> list[set[tuple[object, ...]]]:
    queries = (COLUMNS, INDEXES, FOREIGN_KEYS, OPTIONS)
    return [set(await database.execute_one(query, {"name": name})) for query in queries]


def create_described(dsn: str) -> None:
    engine = create_engine(dsn.replace("postgresql://", "postgresql+psycopg://", 1), poolclass=NullPool)
    with engine.begin() as connection:
        for each in (
            "DROP SCHEMA IF EXISTS described CASCADE",
            "CREATE SCHEMA described",
            "SET search_path TO described",
        ):
            connection.execute(text(each))
        metadata.create_all(connection)


def test_the_tables_are_those_that_the_migrations_create(path: Path) -> None:
    path.touch()
    prepare(path)
    with closing(sqlite3.connect(path)) as migrated, closing(sqlite3.connect(":memory:")) as described:
        for table in metadata.sorted_tables:
            described.execute(str(CreateTable(table).compile(dialect=pysqlite.dialect())))
            pragma = f"PRAGMA table_info({table.name})"
            assert described.execute(pragma).fetchall() == migrated.execute(pragma).fetchall()


@on_postgresql
async def test_in_postgresql_too(database: PostgresDatabase, postgresql: str) -> None:
    await anyio.to_thread.run_sync(create_described, postgresql)
    described, migrated = await describe(database, "described"), await describe(database, "public")
    assert len(described[0]) == sum(len(table.columns) for table in metadata.sorted_tables)
    assert migrated == described
    assert {("lease", "fillfactor=60"), ("balance", "autovacuum_vacuum_scale_factor=0.02")} < migrated[-1]


@on_postgresql
async def test_keys_are_64_bits_wide_and_instants_know_their_zone(database: PostgresDatabase) -> None:
    query = (
        "SELECT table_name, column_name, udt_name, is_identity, collation_name FROM information_schema.columns "
        "WHERE table_schema = 'public'"
    )
    found = {(row[0], row[1]): row[2:] for row in await database.execute_one(query)}
    for table in metadata.sorted_tables:
        for column in table.columns:
            kind, is_identity, collation = found[table.name, column.name]
            if isinstance(column.type, Instant):
                assert kind == "timestamptz", column
            if column.primary_key and isinstance(column.type, Integer):
                assert (kind, is_identity) == ("int8", "NO" if column.identity is None else "YES"), column
            if (table.name, column.name) in {
                ("office", "id"),
                ("delivery", "sink"),
                ("lease", "kind"),
                ("lease", "name"),
            }:
                assert collation == "C"
