"""A PostgreSQL server from which a database is moved, or to which it is. No daemon can work on it meanwhile."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

import anyio
import psycopg
from sqlalchemy import Table

from oddaemon.core.dsn import Dsn
from oddaemon.postgres_client.parameters import hide_environment
from oddaemon.store.database import ReadConnection
from oddaemon.store.dialect import make_statement
from oddaemon.store.errors import DatabaseLocked
from oddaemon.store.move.rows import Row, get_number_column, get_postgresql_types, replace_zeros
from oddaemon.store.move.target import TargetNotEmpty
from oddaemon.store.postgresql.connecting import (
    SESSION_SETTINGS,
    build_conninfo,
    parse_url,
    require_readable_files,
    write_settings,
)
from oddaemon.store.postgresql.connection import PostgresDatabase
from oddaemon.store.postgresql.errors import translate_errors, translate_refusals
from oddaemon.store.postgresql.read_connection import PostgresReadConnection, open_read_connection
from oddaemon.store.schema import REVISIONS, UNFINISHED_REVISION, metadata

_APPLICATION_NAME = "oddaemon-move"
_SETTINGS = {**SESSION_SETTINGS, "statement_timeout": "0", "idle_in_transaction_session_timeout": "0"}
"""A large table takes long, and this session waits for another database meanwhile."""
_LOCK_KEY = 0x6F646D76
"""Of the lock under which rows are copied into a database: "odmv"."""

_HOSTS_AT_WORK = (
    "SELECT string_agg(DISTINCT host, ', ') FROM member WHERE stage <> 'gone' AND expires_at > clock_timestamp()"
)
_LAST_NUMBERS = make_statement(
    "SELECT sequence.relname, owner.relname, last_value FROM pg_sequences "
    "JOIN pg_class AS sequence ON sequence.relname = sequencename AND sequence.relnamespace = schemaname::regnamespace "
    "JOIN pg_depend ON pg_depend.objid = sequence.oid AND deptype = 'i' "
    "JOIN pg_class AS owner ON owner.oid = pg_depend.refobjid "
    "WHERE schemaname = current_schema() AND last_value IS NOT NULL"
)


@contextmanager
def open_source(url: str) -> Iterator[PostgresReadConnection]:
    """Open a database to be moved. Until the end of the block no daemon can join the fleet on it.

    Raises:
        DatabaseLocked: a daemon works on it.
        StoreError: as `open_read_connection`, or it is a standby.
    """
    with open_read_connection(url) as reading, _connect(parse_url(url)) as guard:
        with translate_errors(reading.where):
            guard.execute("BEGIN")
            guard.execute("LOCK TABLE member IN SHARE MODE")
            ((hosts,),) = guard.execute(_HOSTS_AT_WORK).fetchall()
        if hosts:
            raise DatabaseLocked(
                f"The database {reading.where} is in use by oddaemon on {hosts}.",
                "Stop every daemon of the fleet first (systemctl stop oddaemon).",
            )
        yield reading


def read_last_numbers(source: ReadConnection) -> dict[str, int]:
    """The last number that each table has ever given to a row."""
    return {table: number for _, table, number in source.fetch(_LAST_NUMBERS, {}) if table in metadata.tables}


@contextmanager
def open_target(url: str) -> Iterator["PostgresTarget"]:
    """Create all tables in a database that has no rows, and mark it as unfinished.

    Raises:
        TargetNotEmpty: there are rows, and it is no unfinished copy.
        StoreError: the database cannot be used.
    """
    dsn = parse_url(url)
    with _connect(dsn) as connection:
        with translate_errors(dsn.where):
            ((is_mine,),) = connection.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK_KEY,)).fetchall()
            if not is_mine:
                raise DatabaseLocked(
                    f"Another `oddaemon state move` writes to the database {dsn.where}.", "Wait until it has ended."
                )
            _require_empty(connection, dsn.where)
        anyio.run(partial(_create_tables, url))
        with translate_errors(dsn.where):
            connection.execute("UPDATE alembic_version SET version_num = %s", (UNFINISHED_REVISION,))
        with _connect(dsn) as reader:
            yield PostgresTarget(dsn.where, connection, PostgresReadConnection(dsn.where, reader))


class PostgresTarget:
    """As `MoveTarget`. Make one with `open_target`."""

    def __init__(
        self, where: str, connection: psycopg.Connection[tuple[Any, ...]], reading: PostgresReadConnection
    ) -> None:
        self.where = where
        self.reading = reading
        self._connection = connection

    def normalize(self, table: Table, rows: Sequence[Row]) -> Sequence[Row]:
        """As `MoveTarget.normalize`."""
        return replace_zeros(table, rows)

    def write(self, table: Table, batches: Iterable[Sequence[Row]]) -> None:
        """As `MoveTarget.write`."""
        names = ", ".join(f'"{column.name}"' for column in table.columns)
        copy = f"COPY {table.name} ({names}) FROM STDIN (FORMAT BINARY)"
        try:
            with translate_errors(self.where), self._connection.transaction(), self._connection.cursor() as cursor:
                cursor.execute(f"DELETE FROM {table.name}".encode())  # noqa: S608 - our own names
                with cursor.copy(copy.encode()) as target:
                    target.set_types(get_postgresql_types(table))
                    for rows in batches:
                        for row in rows:
                            target.write_row(row)
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            # Its text quotes the row.
            raise ValueError(f"SQLSTATE {error.sqlstate}") from None

    def set_last_numbers(self, numbers: Mapping[str, int]) -> None:
        """As `MoveTarget.set_last_numbers`."""
        for name, number in numbers.items():
            column = get_number_column(metadata.tables[name])
            assert column is not None, "a number belongs to a column"
            with translate_errors(self.where):
                self._connection.execute(
                    "SELECT setval(pg_get_serial_sequence(%s, %s), %s)", (name, column.name, number)
                )

    def finish(self) -> None:
        """As `MoveTarget.finish`. The server learns how large the tables are, so that it reads them as it should."""
        tables = ", ".join(metadata.tables)
        with translate_errors(self.where):
            self._connection.execute(f"ANALYZE {tables}".encode())
            self._connection.execute("UPDATE alembic_version SET version_num = %s", (REVISIONS[-1],))


async def _create_tables(url: str) -> None:
    """As a daemon does at its start, with all of its checks."""
    async with PostgresDatabase.open(url):
        return


@contextmanager
def _connect(dsn: Dsn) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    require_readable_files(dsn)
    hide_environment()
    with translate_refusals(dsn.where):
        connection = psycopg.connect(build_conninfo(dsn, _APPLICATION_NAME, is_for_writing=True), autocommit=True)
    with closing(connection):
        with translate_errors(dsn.where):
            connection.execute(write_settings(_SETTINGS).encode())
        yield connection


def _require_empty(connection: psycopg.Connection[tuple[Any, ...]], where: str) -> None:
    """Check that nothing is lost when rows are copied into a database; drop the tables of an unfinished copy.

    Raises:
        TargetNotEmpty: something would be.
    """
    ((has_revision,),) = connection.execute("SELECT to_regclass('alembic_version') IS NOT NULL").fetchall()
    if not has_revision:
        return  # nothing of ours; what else is there is found when the tables are created
    if connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(UNFINISHED_REVISION,)]:
        tables = ", ".join(["alembic_version", *metadata.tables])
        connection.execute(f"DROP TABLE IF EXISTS {tables} CASCADE".encode())
        return
    for table in metadata.sorted_tables:
        if table.name == "compatibility":
            continue
        ((exists,),) = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (table.name,)).fetchall()
        if exists and connection.execute(f"SELECT 1 FROM {table.name} LIMIT 1".encode()).fetchone():  # noqa: S608 - our own names
            raise TargetNotEmpty(
                f"The database {where} is not empty: table {table.name} has rows.",
                "Create an empty database for oddaemon, and name that.",
            )
