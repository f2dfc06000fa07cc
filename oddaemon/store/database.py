"""What is needed of a database, whichever program keeps it.

`store/sqlite` and `store/postgresql` implement it, and `store/opening.py` chooses.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

import anyio
from sqlalchemy import Connection, Executable, Row, Table, TextClause
from sqlalchemy.ext.asyncio import AsyncConnection

from oddaemon.core.model import Balance
from oddaemon.store.dialect import Dialect
from oddaemon.store.errors import DatabaseUnusable

T = TypeVar("T")

ErrorCallback = Callable[[DatabaseUnusable], None]
"""Called with every fault of the database before it is raised."""


@dataclass(frozen=True, slots=True)
class OpenResult:
    """What was done to bring a database to this program's revision."""

    previous_revision: str | None = None
    """The revision before the migration; None: there was none, or the database is new."""
    previous_file: Path | None = None
    """Where the file from before the migration is kept."""
    is_new: bool = False
    """Whether the database was empty."""
    has_lost_log: bool = False
    """Whether it was not closed and its log is missing: transactions may be missing."""
    exposed_mode: int | None = None
    """The mode of the file before it was made private; None: it was private."""


class Statements(Protocol):
    """Statements of one transaction."""

    def execute(self, statement: TextClause, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run a statement. Returns its rows, with the driver's own values.

        Raises:
            IntegrityError: SQLAlchemy's: it violates a constraint.
        """
        ...

    def execute_many(self, statement: TextClause, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run a statement that returns nothing once for each of these. Raises as `execute` does."""
        ...


class Transaction(Statements, Protocol):
    """One transaction: it commits when its function returns, and leaves nothing when that raises."""

    def insert_balances(self, table: Table, keys: Mapping[str, int], balances: Sequence[Balance]) -> None:
        """Insert many balances, each with these values of the table's other columns. Raises as `execute` does."""
        ...


class ConnectionStatements:
    """Statements of a transaction that SQLAlchemy has begun, of any database: in `AsyncConnection.run_sync`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def execute(self, statement: TextClause, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """As `Statements.execute`."""
        result = self._connection.execute(statement, values)
        return list(map(tuple, result.all())) if result.returns_rows else []

    def execute_many(self, statement: TextClause, rows: Sequence[Mapping[str, Any]]) -> None:
        """As `Statements.execute_many`."""
        self._connection.execute(statement, list(rows))


class Database(Protocol):
    """An open database: one connection that writes, one that reads, each with one user at a time.

    Attributes:
        maintenance_lock: held by a job that works on the database as a whole. Ordinary writes do not need it.
        open_result: what had to be done when it was opened.
        slowest_write_seconds: the longest write since it was last set to 0.
    """

    maintenance_lock: anyio.Lock
    open_result: OpenResult
    slowest_write_seconds: float

    @property
    def where(self) -> str:
        """Which database this is, for messages: the path of a file, or servers and name; never a password."""
        ...

    @property
    def writing_since(self) -> float | None:
        """When the current write began, on the event loop's clock; None: there is none."""
        ...

    @property
    def dialect(self) -> Dialect:
        """How this database writes what differs between databases."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """All or nothing: commits at the end of the block, rolls back if it raises.

        Waiting for the connection can be cancelled. From BEGIN to COMMIT nothing can, so keep the block short: no
        network, no sleeping.

        Raises:
            DatabaseUnusable: the database fails; nothing was written.
        """
        ...

    async def run(self, work: Callable[[Transaction], T]) -> T:
        """Run a synchronous function in a transaction: all or nothing.

        As with `transaction`, only waiting for the connection can be cancelled. In SQLite it runs in the thread that
        has the connection, so it must not touch what belongs to the event loop: a publish is one hop to that thread
        instead of thirty, and comparing a whole office does not stop the loop. With PostgreSQL it runs on the event
        loop, which goes on while the server works.

        Raises:
            DatabaseUnusable: the database fails; nothing was written. Whatever `work` raises does the same.
        """
        ...

    async def execute_one(self, statement: TextClause, values: Mapping[str, Any]) -> list[Any]:
        """Run a single statement, which is a transaction by itself, without the cost of SQLAlchemy.

        Returns:
            The rows that the statement returns, as tuples.

        Raises:
            DatabaseUnusable: the database fails; nothing was written.
        """
        ...

    async def select(self, query: Executable, parse: Callable[[Row[Any]], T]) -> list[T]:
        """Read with a single statement: a consistent state, while others write.

        Args:
            query: of SQLAlchemy's, which converts types.
            parse: makes a value of a row.

        Raises:
            DatabaseUnusable: the database fails.
            DatabaseDamaged: a row cannot be parsed: this program cannot have stored it.
        """
        ...

    async def fetch(
        self, statement: TextClause, values: Mapping[str, Any], parse: Callable[[Sequence[Any]], T]
    ) -> list[T]:
        """As `select`, without the cost of SQLAlchemy: a row has the driver's own values."""
        ...


class ReadConnection(Protocol):
    """A connection that reads, without an event loop: for commands, scripts and exports, each in its own thread."""

    @property
    def where(self) -> str:
        """Which database this is, for messages: the path of a file, or a server and a name."""
        ...

    @property
    def warning(self) -> str:
        """Why what is read may be incomplete, and what to do; "": it is not."""
        ...

    def fetch(self, statement: TextClause, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """All rows of a query, with the driver's own values. Each query sees what was committed before it.

        Raises:
            DatabaseUnusable: the database fails.
            DatabaseClosed: it was closed.
        """
        ...

    def stream(
        self, statement: TextClause, values: Mapping[str, Any], rows_per_batch: int
    ) -> Iterator[list[tuple[Any, ...]]]:
        """The same in batches, however many rows there are. Raises as `fetch` does, also in between.

        The rows are those of one state of the database.
        """
        ...

    def hold_state(self) -> AbstractContextManager[None]:
        """All queries in the block see one state of the database."""
        ...


class Upkeep(Protocol):
    """What an open database needs beside its rows, and what can be done with it as a whole."""

    @property
    def slow_advice(self) -> str:
        """What to do when writes are slow."""
        ...

    @property
    def can_back_up(self) -> bool:
        """Whether `back_up` does it."""
        ...

    @property
    def jobs(self) -> Mapping[str, Callable[[], Awaitable[str]]]:
        """The jobs of `[maintenance]` that only this kind of database has, by name.

        Each returns its result as a sentence, and raises a `StoreError` if it fails.
        """
        ...

    async def require_healthy(self) -> None:
        """Check that it can still be used and no write is stuck, between writes.

        Raises:
            DatabaseUnusable: `on_error` of the database was called with it.
        """
        ...

    async def try_writing(self) -> None:
        """Do the smallest possible write.

        Raises:
            DatabaseUnusable: it cannot be written; `on_error` of the database was called with it.
        """
        ...

    def get_log_bytes(self) -> int | None:
        """The size of its write-ahead log; None: that is not ours to watch."""
        ...

    async def reclaim_pruned(self) -> None:
        """Make the space of many deleted rows usable again.

        Raises:
            DatabaseUnusable: it fails; nothing is lost.
        """
        ...

    async def vacuum(self) -> str:
        """Give back the space of deleted rows; returns the result as a sentence.

        Raises:
            DatabaseUnusable: it fails; nothing is lost.
        """
        ...

    async def back_up(self, directory: Path, keep: int, now: datetime) -> str:
        """Make a backup in a directory, and delete the oldest; returns the result as a sentence.

        Raises:
            StoreError: it fails, or this kind of database has other tools for it.
        """
        ...

    async def erase_office(self, office_id: str) -> dict[str, int]:
        """Erase everything that is stored about an office. No worker may run for it.

        Returns:
            The number of deleted rows by table, without tables that had none.

        Raises:
            OfficeUnknown: nothing is stored for it.
            DatabaseUnusable: it failed; run it again.
        """
        ...

    async def read_info(self) -> dict[str, object]:
        """Sizes, counts and versions, with nothing of its data.

        Raises:
            DatabaseUnusable: it cannot be read.
        """
        ...
