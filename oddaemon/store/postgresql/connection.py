"""PostgreSQL's `Database`: four connections to one server, each with one user at a time.

One writes, one reads, one is for the permits of requests, and one for what keeps this host in the fleet: a long
transaction delays neither a permit nor a renewal.

As in SQLite a transaction first waits for the connection, where it can be cancelled, and is then shielded from BEGIN to
COMMIT. It is bounded: a server that is gone must not keep a host waiting. When a connection is lost, the database must
be opened again, and everything be read again: meanwhile another host may have taken over.
"""

import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Self, TypeVar

import anyio
from sqlalchemy import Executable, Row, TextClause
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from oddaemon.core.dsn import Dsn
from oddaemon.store.database import ErrorCallback, OpenResult, Transaction
from oddaemon.store.errors import DatabaseUnusable, decoding_errors
from oddaemon.store.postgresql.connecting import (
    MAINTENANCE_SETTINGS,
    READER_SETTINGS,
    WRITER_SETTINGS,
    ServerFacts,
    build_conninfo,
    open_connection,
    parse_url,
    read_facts,
    require_one_server,
    require_usable,
)
from oddaemon.store.postgresql.dialect import DIALECT, PostgresDialect
from oddaemon.store.postgresql.migration import prepare, require_newest
from oddaemon.store.postgresql.statement_connection import (
    STATEMENT_SECONDS,
    StatementConnection,
    fetch_rows,
    has_failed,
)
from oddaemon.store.postgresql.transaction import PostgresTransaction

APPLICATION_NAME = "oddaemon"
"""Under which the server lists the connections; one that writes has a number of its own behind it."""
TRANSACTION_SECONDS = 60.0
"""From BEGIN to COMMIT; a publish takes about 0.05 s."""

T = TypeVar("T")

ConnectionFactory = Callable[[Mapping[str, str]], AbstractAsyncContextManager[StatementConnection]]
"""Opens one more connection to the same database, with these settings."""


@dataclass(frozen=True, slots=True)
class _Lane:
    """A connection, and SQLAlchemy's view of it."""

    plain: StatementConnection
    connection: AsyncConnection


@dataclass(frozen=True, slots=True)
class _Connections:
    """All of a database; for reading there is only the reader."""

    reader: _Lane
    writer: _Lane | None = None
    turns: StatementConnection | None = None
    keeper: StatementConnection | None = None

    def list_all(self) -> list[StatementConnection]:
        """The open ones."""
        lanes = [lane.plain for lane in (self.reader, self.writer) if lane is not None]
        return [*lanes, *(each for each in (self.turns, self.keeper) if each is not None)]


class PostgresDatabase:
    """An open database on a server. Make one with `open` or `open_for_reading`.

    Attributes:
        where: servers and database, for messages; no user and no password.
        facts: what the server said of itself when the database was opened.
        open_result: what had to be done when it was opened.
        turns: for the permits of requests; only of a database that is open for writing.
        keeper: for the membership of this host, and for notifications; the same.
        session: the name under which the server lists the connections.
        maintenance_lock: held by a job that works on the database as a whole.
        writing_since: when the current write began, on the event loop's clock; None: there is none.
        slowest_write_seconds: the longest write since it was last set to 0.
    """

    def __init__(
        self,
        connections: _Connections,
        facts: ServerFacts,
        open_more: ConnectionFactory,
        on_error: ErrorCallback | None = None,
    ) -> None:
        self.where = connections.reader.plain.where
        self.facts = facts
        self._open_more = open_more
        self.session = ""
        self.open_result = OpenResult()
        self.maintenance_lock = anyio.Lock()
        self.writing_since: float | None = None
        self.slowest_write_seconds = 0.0
        self._connections = connections
        self._reader = connections.reader
        self._on_error = on_error or _ignore_error

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, on_error: ErrorCallback | None = None) -> AsyncIterator[Self]:
        """Open for writing: connect four times, migrate, check.

        Args:
            url: `postgresql://…`.
            on_error: called with every fault while it is open.

        Raises:
            DatabaseNewer: it was made by a newer oddaemon.
            MigrationFailed: it is unchanged.
            DatabaseUnusable: it cannot be used; the message says why and what to do.
        """
        dsn, application_name = parse_url(url), f"{APPLICATION_NAME}/{secrets.token_hex(4)}"
        async with AsyncExitStack() as stack:
            keeper = await stack.enter_async_context(open_connection(dsn, application_name, {}))
            facts = await read_facts(keeper)
            require_usable(facts, dsn.where, is_for_writing=True)
            conninfo = build_conninfo(dsn, application_name, is_for_writing=True)
            open_result = await prepare(keeper, conninfo)
            turns = await stack.enter_async_context(open_connection(dsn, application_name, {}))
            writer = await stack.enter_async_context(_open_lane(dsn, application_name, WRITER_SETTINGS))
            reader = await stack.enter_async_context(_open_lane(dsn, application_name, READER_SETTINGS))
            connections = _Connections(reader, writer, turns, keeper)
            await require_one_server(connections.list_all())
            database = cls(connections, facts, partial(open_connection, dsn, application_name), on_error)
            database.open_result, database.session = open_result, application_name
            yield database

    @classmethod
    @asynccontextmanager
    async def open_for_reading(cls, url: str, *, application_name: str = APPLICATION_NAME) -> AsyncIterator[Self]:
        """Open for reading, also on a standby: one connection, no migration, no writes.

        Args:
            url: `postgresql://…`.
            application_name: under which the server shows this connection.

        Raises:
            StoreError: as `require_newest`, or there is no connection.
        """
        dsn = parse_url(url)
        async with _open_lane(dsn, application_name, READER_SETTINGS, is_for_writing=False) as reader:
            facts = await read_facts(reader.plain)
            require_usable(facts, dsn.where, is_for_writing=False)
            await require_newest(reader.plain)
            yield cls(
                _Connections(reader), facts, partial(open_connection, dsn, application_name, is_for_writing=False)
            )

    @property
    def dialect(self) -> PostgresDialect:
        """As `Database.dialect`."""
        return DIALECT

    @property
    def turns(self) -> StatementConnection:
        """For the permits of requests."""
        assert self._connections.turns is not None, "the database is open for writing"
        return self._connections.turns

    @property
    def keeper(self) -> StatementConnection:
        """For the membership of this host."""
        assert self._connections.keeper is not None, "the database is open for writing"
        return self._connections.keeper

    @property
    def timeline(self) -> int:
        """The server's timeline when it was opened: it rises with each promotion of a standby."""
        return self.facts.timeline

    def sever(self) -> None:
        """Shut all connections down at once: every pending call fails, and every later one."""
        for each in self._connections.list_all():
            each.sever()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """As `Database.transaction`.

        Raises:
            DatabaseLost: the connection is gone. If COMMIT was under way, it may have been executed.
            DatabaseUnusable: the server refuses it; nothing was written.
        """
        writer = self._require_writer()
        driver = writer.plain.driver
        async with writer.plain.lock:
            with self._guard_write(TRANSACTION_SECONDS):
                async with writer.connection.begin():
                    # SQLAlchemy's begin() sends nothing.
                    await driver.execute("BEGIN")
                    yield writer.connection
                    if has_failed(driver):
                        raise RuntimeError("A statement of this transaction failed, and its error was ignored.")

    async def run(self, work: Callable[[Transaction], T]) -> T:
        """As `Database.run`: on the event loop, which goes on while the server works."""
        async with self.transaction() as connection:
            return await connection.run_sync(lambda inner: work(PostgresTransaction(inner, connection)))

    async def execute_one(self, statement: TextClause | str, values: Mapping[str, Any] | None = None) -> list[Any]:
        """As `Database.execute_one`."""
        writer = self._require_writer().plain
        async with writer.lock:
            with self._guard_write(STATEMENT_SECONDS):
                return await fetch_rows(writer.driver, statement, values)

    def open_maintenance_connection(self) -> AbstractAsyncContextManager[StatementConnection]:
        """One more connection, whose statements the server does not bound: for `execute_long`.

        Raises:
            DatabaseUnusable: the server has none left, or cannot be reached.
        """
        return self._open_more(MAINTENANCE_SETTINGS)

    async def select(self, query: Executable, parse: Callable[[Row[Any]], T]) -> list[T]:
        """As `Database.select`."""
        connection = self._reader.connection
        with self.report_errors(), decoding_errors(self.where):
            async with self._reader.plain.lock:
                with self._reader.plain.guard_call(STATEMENT_SECONDS):
                    async with connection.begin():
                        rows = (await connection.execute(query)).all()
            return list(map(parse, rows))

    async def fetch(
        self,
        statement: TextClause | str,
        values: Mapping[str, Any] | None,
        parse: Callable[[Sequence[Any]], T],
    ) -> list[T]:
        """As `Database.fetch`."""
        with self.report_errors(), decoding_errors(self.where):
            return list(map(parse, await self._reader.plain.execute(statement, values)))

    @contextmanager
    def report_errors(self) -> Iterator[None]:
        """Call `on_error` with every fault in the block before it is raised."""
        try:
            yield
        except DatabaseUnusable as error:
            self._on_error(error)
            raise

    @contextmanager
    def _guard_write(self, seconds: float) -> Iterator[None]:
        self.writing_since = began = anyio.current_time()
        try:
            with self.report_errors(), self._require_writer().plain.guard_call(seconds):
                yield
        finally:
            self.writing_since = None
            self.slowest_write_seconds = max(self.slowest_write_seconds, anyio.current_time() - began)

    def _require_writer(self) -> _Lane:
        if self._connections.writer is None:
            raise RuntimeError("This database was opened for reading.")
        return self._connections.writer


@asynccontextmanager
async def _open_lane(
    dsn: Dsn, application_name: str, settings: Mapping[str, str], *, is_for_writing: bool = True
) -> AsyncIterator[_Lane]:
    async with open_connection(dsn, application_name, settings, is_for_writing=is_for_writing) as plain:

        async def get_driver() -> Any:  # noqa: ANN401 - what SQLAlchemy takes for a connection
            return plain.driver

        engine = create_async_engine(
            "postgresql+psycopg://",
            async_creator=get_driver,
            poolclass=NullPool,
            hide_parameters=True,
            use_native_hstore=False,
        )
        with plain.guard_call(STATEMENT_SECONDS):
            connection = await engine.connect()
        try:
            yield _Lane(plain, connection)
        finally:
            async with plain.hold_last():
                await _close(plain, connection)


async def _close(plain: StatementConnection, connection: AsyncConnection) -> None:
    with suppress(DatabaseUnusable, DBAPIError):
        with plain.guard_call(STATEMENT_SECONDS):
            await connection.close()
        return
    # Lost: SQLAlchemy must ask nothing of it.
    await connection.invalidate()
    await connection.close()


def _ignore_error(_error: DatabaseUnusable) -> None:
    """Without a callback, the caller that meets the fault reports it."""
