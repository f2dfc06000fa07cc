"""What the tables' modules need of a database, whichever program keeps it.

Nothing of SQLite is here, so that a second backend can stand beside `store/sqlite`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import Executable, Row, TextClause
from sqlalchemy.ext.asyncio import AsyncConnection

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


class Database(Protocol):
    """An open database: one connection that writes, one that reads, each with one user at a time."""

    @property
    def where(self) -> str:
        """Which database this is, for messages: the path of a file."""
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
