"""A connection that reads from a PostgreSQL server, for one thread and without an event loop."""

from collections.abc import Coroutine, Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import count
from typing import Any, TypeVar, cast

import psycopg
from psycopg.rows import tuple_row
from sqlalchemy import TextClause

from oddaemon.core.dsn import Dsn
from oddaemon.postgres_client.parameters import hiding_environment
from oddaemon.store.errors import DatabaseClosed
from oddaemon.store.postgresql.connecting import (
    READER_SETTINGS,
    SESSION_SETTINGS,
    build_conninfo,
    has_pooler,
    parse_url,
    read_facts,
    require_own_sessions,
    require_readable_files,
    require_usable,
    write_settings,
)
from oddaemon.store.postgresql.dialect import bind_values
from oddaemon.store.postgresql.errors import translate_errors, translate_refusals
from oddaemon.store.postgresql.migration import require_newest

T = TypeVar("T")

_APPLICATION_NAME = "oddaemon-command"
_SETTINGS = {
    **SESSION_SETTINGS,
    **READER_SETTINGS,
    # A command that reads holds no lock that another needs. A large table takes long, and so may the reader of a pipe.
    "statement_timeout": "10min",
    "idle_in_transaction_session_timeout": "1h",
}


class PostgresReadConnection:
    """As `ReadConnection`. Make one with `open_read_connection`."""

    warning = ""
    """As `ReadConnection.warning`: a server has no log that can be lost."""

    def __init__(self, where: str, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        self.where = where
        self._connection = connection
        self._numbers = count()
        self._holders = 0
        """Streams and blocks that share a transaction."""

    def fetch(self, statement: TextClause, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """As `ReadConnection.fetch`."""
        with self._translate_errors():
            return list(self._connection.execute(*bind_values(statement, values)).fetchall())

    def stream(
        self, statement: TextClause, values: Mapping[str, Any], rows_per_batch: int
    ) -> Iterator[list[tuple[Any, ...]]]:
        """As `ReadConnection.stream`. A cursor of the server's keeps the rows there; it needs a transaction."""
        name = f"stream_{next(self._numbers)}"
        with self.hold_state(), self._translate_errors(), self._connection.cursor(name) as cursor:
            cursor.execute(*bind_values(statement, values))
            while rows := cursor.fetchmany(rows_per_batch):
                yield list(rows)

    @contextmanager
    def hold_state(self) -> Iterator[None]:
        """As `ReadConnection.hold_state`: one transaction, however many want it."""
        if not self._holders:
            with self._translate_errors():
                self._connection.execute("BEGIN")
        self._holders += 1
        try:
            yield
        finally:
            self._holders -= 1
            if not self._holders and not self._connection.closed:
                with self._translate_errors():
                    self._connection.execute("ROLLBACK")

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        if self._connection.closed:
            raise DatabaseClosed(self.where)
        with translate_errors(self.where):
            yield


@contextmanager
def open_read_connection(url: str) -> Iterator[PostgresReadConnection]:
    """Open a database that a daemon made; a standby is enough.

    Raises:
        StoreError: it cannot be used, or this version cannot read it.
    """
    dsn = parse_url(url)
    require_readable_files(dsn)
    with closing(_connect(dsn)) as connection:
        checked = _Awaitable(dsn.where, connection)
        if _complete(has_pooler(checked, connection.info.backend_pid)):
            with closing(_connect(dsn)) as other:
                _complete(require_own_sessions([checked, _Awaitable(dsn.where, other)]))
        with translate_errors(dsn.where):
            connection.execute(write_settings(_SETTINGS).encode())
        require_usable(_complete(read_facts(checked)), dsn.where, is_for_writing=False)
        _complete(require_newest(checked))
        yield PostgresReadConnection(dsn.where, connection)


def _connect(dsn: Dsn) -> psycopg.Connection[tuple[Any, ...]]:
    conninfo = build_conninfo(dsn, _APPLICATION_NAME, is_for_writing=False)
    # This may be the program of others, which may find its own databases by these variables.
    with hiding_environment(), translate_refusals(dsn.where):
        return psycopg.connect(conninfo, autocommit=True, row_factory=tuple_row)


class _Awaitable:
    """A connection for the checks of a daemon, which await it: nothing here makes them wait."""

    def __init__(self, where: str, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        self.where = where
        self._connection = connection

    async def execute(self, statement: TextClause | str, values: Mapping[str, Any] | None = None) -> list[Any]:
        with translate_errors(self.where):
            return self._connection.execute(*bind_values(statement, values)).fetchall()


def _complete(check: Coroutine[Any, Any, T]) -> T:
    """Run what awaits only `_Awaitable`: without an event loop."""
    try:
        check.send(None)
    except StopIteration as result:
        return cast("T", result.value)
    raise RuntimeError("A check of the database waits for an event loop.")
