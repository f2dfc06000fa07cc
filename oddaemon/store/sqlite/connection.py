"""SQLite's `Database`: a connection that writes, one that reads, each with one user at a time.

A cancelled call of aiosqlite still runs in its thread, so "cancelled" does not mean "not written", and a task cancelled
between BEGIN and COMMIT would lock out every other writer. Therefore a transaction first waits for the connection,
where it can be cancelled, and is then shielded from BEGIN to COMMIT. Keep the block short: no network, no sleeping.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import aiosqlite
import anyio
import anyio.lowlevel
import anyio.to_thread
from sqlalchemy import URL, Executable, Row, TextClause
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from oddaemon.store.database import ErrorCallback, OpenResult, Transaction
from oddaemon.store.errors import DatabaseUnusable, decoding_errors
from oddaemon.store.sqlite.database_file import make_directory, make_file, resolve_path
from oddaemon.store.sqlite.dialect import DIALECT, SqliteDialect, bind_values
from oddaemon.store.sqlite.errors import translate_errors
from oddaemon.store.sqlite.location import (
    choose_read_parameters,
    make_temp_directory_pragma,
)
from oddaemon.store.sqlite.lock import hold_lock
from oddaemon.store.sqlite.open_files import FileGuard
from oddaemon.store.sqlite.open_mark import MARK_CLOSED, MARK_IN_FILE, MARK_OPEN
from oddaemon.store.sqlite.transaction import run_transaction
from oddaemon.store.sqlite.version import prepare, require_newest

BUSY_TIMEOUT_SECONDS = 5.0
"""How long to wait for another program, such as a backup tool, that has the file locked."""
WAL_BYTES_MAX = 4000 * 4096
INTERRUPT_INTERVAL_SECONDS = 0.05
"""An interrupt that comes before the thread has started the statement has no effect, so it is repeated."""

T = TypeVar("T")

_WRITER_PRAGMAS = (
    *("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"),
    # A checkpoint every 16 MB, not every 4, writes a third more pages a second.
    "wal_autocheckpoint = 4000",
    # The log shrinks to this after a large transaction: a larger one is held by a reader.
    f"journal_size_limit = {WAL_BYTES_MAX}",
    # Reading it opens the log.
    "user_version",
)
_READER_PRAGMAS = ("query_only = ON",)


@dataclass(frozen=True, slots=True)
class _ConnectionHandle:
    """A connection and the lock of its users."""

    connection: AsyncConnection
    driver: aiosqlite.Connection
    """The same connection, underneath SQLAlchemy."""
    lock: anyio.Lock = field(default_factory=anyio.Lock)


class SqliteDatabase:
    """An open database file. Make one with `open` or `open_for_reading`.

    Attributes:
        path: the file, resolved.
        open_result: what had to be done when it was opened; for reading, only whether its log is missing.
        maintenance_lock: held by a job that works on the file as a whole: a backup, a vacuum, an erasure. Ordinary
            writes do not need it.
        writing_since: when the current write began, on the event loop's clock; None: there is none.
        slowest_write_seconds: the longest write since it was last set to 0.
        calls_in_flight: the number of calls that threads are working on, in this process. A test's event loop that
            jumps over waiting time must not jump while it is above zero.
    """

    calls_in_flight: ClassVar[int] = 0

    def __init__(
        self,
        path: Path,
        reader: _ConnectionHandle,
        writer: _ConnectionHandle | None = None,
        on_error: ErrorCallback | None = None,
    ) -> None:
        self.path = path
        self.open_result = OpenResult()
        self.maintenance_lock = anyio.Lock()
        self.writing_since: float | None = None
        self.slowest_write_seconds = 0.0
        self._reader = reader
        self._writer = writer
        self._file_guard = None if writer is None else FileGuard(path)
        self._on_error = on_error or _ignore_error

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, on_error: ErrorCallback | None = None) -> AsyncIterator[Self]:
        """Open for writing: take the lock, create the file if there is none, migrate it, check it.

        Args:
            url: a path, or a SQLAlchemy URL of SQLite.
            on_error: called with every fault while it is open.

        Raises:
            DatabaseLocked: another daemon has it open.
            DatabaseNewer: it was made by a newer oddaemon.
            DatabaseUnusable: it cannot be used; the message says why and what to do.
        """
        path = await anyio.to_thread.run_sync(resolve_path, url)
        await anyio.to_thread.run_sync(make_directory, path)
        async with hold_lock(path):
            exposed_mode = await anyio.to_thread.run_sync(make_file, path)
            open_result = replace(await anyio.to_thread.run_sync(prepare, path), exposed_mode=exposed_mode)
            async with _connect_to_write(path) as writer, _connect_to_read(path) as reader:
                database = cls(path, reader, writer, on_error)
                database.open_result = open_result
                yield database

    @classmethod
    @asynccontextmanager
    async def open_for_reading(cls, url: str) -> AsyncIterator[Self]:
        """Open for reading, with or without a running daemon: no lock, no migration, no writes.

        Args:
            url: a path, or a SQLAlchemy URL of SQLite.

        Raises:
            StoreError: as `require_newest`.
        """
        path = await anyio.to_thread.run_sync(resolve_path, url)
        open_result = await anyio.to_thread.run_sync(require_newest, path)
        async with _connect_to_read(path) as reader:
            database = cls(path, reader)
            database.open_result = open_result
            yield database

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """As `Database.transaction`."""
        writer = self._require_writer()
        async with writer.lock:
            with self._guard_write():
                async with writer.connection.begin():
                    # SQLAlchemy's begin() sends nothing to SQLite.
                    await writer.driver.execute_fetchall("BEGIN IMMEDIATE")
                    yield writer.connection

    async def run(self, work: Callable[[Transaction], T]) -> T:
        """As `Database.run`: in the connection's thread."""
        writer = self._require_writer()
        async with writer.lock:
            with self._guard_write():
                # aiosqlite offers single calls only, each of which is a hop.
                execute: Callable[..., Awaitable[T]] = writer.driver._execute  # noqa: SLF001
                return await execute(run_transaction, writer.driver._conn, work)  # noqa: SLF001

    async def execute_one(
        self, statement: TextClause | str, values: Mapping[str, Any] | Sequence[Any] = ()
    ) -> list[Any]:
        """As `Database.execute_one`: for statements that run for every page, or not inside a transaction.

        One hop to the driver's thread instead of six: 0.25 ms of CPU for a page of 100 balances instead of 0.7.
        """
        writer = self._require_writer()
        async with writer.lock:
            with self._guard_write():
                return list(await writer.driver.execute_fetchall(*bind_values(statement, values)))

    async def run_pragma_to_end(self, pragma: str) -> None:
        """Run a pragma that does part of its work for each row that is fetched, such as an incremental vacuum.

        Python's `execute` fetches once where a statement has no columns.

        Raises:
            DatabaseUnusable: the file or its disk fails; nothing was written.
        """
        writer = self._require_writer()
        async with writer.lock:
            with self._guard_write():
                await writer.driver.executescript(f"PRAGMA {pragma};")

    async def vacuum(self) -> None:
        """Have SQLite rewrite the whole file. Writers wait, readers do not.

        The time depends on the size of the file, so it does not count as a slow write. A cancellation interrupts it
        and leaves the file as it was, unless the vacuum was nearly complete.

        Raises:
            DatabaseUnusable: the file or its disk fails; the file is as it was.
        """
        writer = self._require_writer()
        async with writer.lock, _interrupt_when_cancelled(writer.driver):
            with self._guard_write(is_timed=False):
                await writer.driver.execute_fetchall(make_temp_directory_pragma(self.path))
                await writer.driver.execute_fetchall("VACUUM")

    async def select(self, query: Executable, parse: Callable[[Row[Any]], T]) -> list[T]:
        """As `Database.select`."""
        connection = self._reader.connection
        with self.report_errors(), decoding_errors(self.path):
            async with self._reader.lock:
                with _shield_call(self.path):
                    async with connection.begin():
                        rows = (await connection.execute(query)).all()
            return list(map(parse, rows))

    async def fetch(
        self,
        statement: TextClause | str,
        values: Mapping[str, Any] | Sequence[Any],
        parse: Callable[[Sequence[Any]], T],
    ) -> list[T]:
        """As `Database.fetch`."""
        with self.report_errors(), decoding_errors(self.path):
            async with self._reader.lock:
                with _shield_call(self.path):
                    rows = await self._reader.driver.execute_fetchall(*bind_values(statement, values))
            return list(map(parse, rows))

    async def read_pragma(self, name: str) -> int:
        """The value of a pragma that is a number."""
        (value,) = await self.fetch(f"PRAGMA {name}", (), lambda row: int(row[0]))
        return value

    @property
    def where(self) -> str:
        """The path, for messages."""
        return str(self.path)

    @property
    def dialect(self) -> SqliteDialect:
        """As `Database.dialect`."""
        return DIALECT

    @property
    def file_guard(self) -> FileGuard:
        """The files that are open for writing."""
        self._require_writer()
        assert self._file_guard is not None, "a database open for writing guards its files"
        return self._file_guard

    @contextmanager
    def report_errors(self) -> Iterator[None]:
        """Call `on_error` with every fault in the block before it is raised."""
        try:
            yield
        except DatabaseUnusable as error:
            self._on_error(error)
            raise

    @contextmanager
    def _guard_write(self, *, is_timed: bool = True) -> Iterator[None]:
        file_guard, began = self.file_guard, anyio.current_time()
        self.writing_since = began if is_timed else None
        try:
            with self.report_errors(), _shield_call(self.path):
                yield
                file_guard.require_in_place()
        finally:
            self.writing_since = None
            if is_timed:
                self.slowest_write_seconds = max(self.slowest_write_seconds, anyio.current_time() - began)

    def _require_writer(self) -> _ConnectionHandle:
        if self._writer is None:
            raise RuntimeError("This database was opened for reading.")
        return self._writer


@contextmanager
def _shield_call(path: Path) -> Iterator[None]:
    with anyio.CancelScope(shield=True), translate_errors(path):
        SqliteDatabase.calls_in_flight += 1
        try:
            yield
        finally:
            SqliteDatabase.calls_in_flight -= 1


@asynccontextmanager
async def _interrupt_when_cancelled(driver: aiosqlite.Connection) -> AsyncIterator[None]:
    """Interrupt the statement in this shielded block when the task is cancelled; SQLite rolls it back.

    The block must be the only user of the connection.
    """
    failure: Exception | None = None
    is_over = False

    async def interrupt_until_over() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                while not is_over:
                    await driver.interrupt()
                    await anyio.sleep(INTERRUPT_INTERVAL_SECONDS)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(interrupt_until_over)
        try:
            yield
        except Exception as error:  # noqa: BLE001 - raised after the task group, which would wrap it in a group
            failure = error
        is_over = True
        tasks.cancel_scope.cancel()
    # An interruption by cancellation is not a fault of the database.
    await anyio.lowlevel.checkpoint()
    if failure is not None:
        raise failure


@asynccontextmanager
async def _connect_to_write(path: Path) -> AsyncIterator[_ConnectionHandle]:
    """Connect, and mark the file as open within the block."""
    async with _connect(path, {"mode": "rw"}, _WRITER_PRAGMAS) as writer:
        await _try_marking(path, writer, MARK_OPEN, MARK_IN_FILE)
        try:
            yield writer
        finally:
            with anyio.CancelScope(shield=True):
                async with writer.lock:
                    await _try_marking(path, writer, MARK_CLOSED)


async def _try_marking(path: Path, writer: _ConnectionHandle, *statements: str) -> None:
    # Neither a full disk nor another program that writes may keep the database from being opened or closed.
    with suppress(DatabaseUnusable), _shield_call(path):
        await writer.driver.execute_fetchall("PRAGMA busy_timeout = 0")
        try:
            for statement in statements:
                await writer.driver.execute_fetchall(statement)
        finally:
            await writer.driver.execute_fetchall(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_SECONDS * 1000:.0f}")


@asynccontextmanager
async def _connect_to_read(path: Path) -> AsyncIterator[_ConnectionHandle]:
    with translate_errors(path):
        parameters = await anyio.to_thread.run_sync(choose_read_parameters, path)
    async with _connect(path, parameters, _READER_PRAGMAS) as reader:
        yield reader


@asynccontextmanager
async def _connect(
    path: Path, parameters: Mapping[str, str], pragmas: Sequence[str]
) -> AsyncIterator[_ConnectionHandle]:
    # as_uri() quotes characters that a path may contain and a URI may not.
    url = URL.create("sqlite+aiosqlite", database=path.as_uri(), query={**parameters, "uri": "true"})
    engine = create_async_engine(
        url, hide_parameters=True, connect_args={"isolation_level": None, "timeout": BUSY_TIMEOUT_SECONDS}
    )
    with _shield_call(path):
        try:
            connection = await engine.connect()
            driver = (await connection.get_raw_connection()).driver_connection
            assert isinstance(driver, aiosqlite.Connection)
            for pragma in pragmas:
                await driver.execute_fetchall(f"PRAGMA {pragma}")
        except BaseException:
            await engine.dispose()
            raise
    handle = _ConnectionHandle(connection, driver)
    try:
        yield handle
    finally:
        with _shield_call(path):
            # The current user finishes first: a page may still be read while the database is being closed.
            async with handle.lock:
                await connection.close()
                await engine.dispose()


def _ignore_error(_error: DatabaseUnusable) -> None:
    """Without a callback, the caller that meets the fault reports it."""
