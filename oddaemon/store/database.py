"""What the tables' modules need of a database, whichever program keeps it.

Nothing of SQLite is here, so that a second backend can stand beside `store/sqlite`.
"""

from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection


class Database(Protocol):
    """An open database: one connection that writes, one that reads, each with one user at a time."""

    @property
    def where(self) -> str:
        """Which database this is, for messages: the path of a file."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """All or nothing: commits at the end of the block, rolls back if it raises.

        Waiting for the connection can be cancelled. From BEGIN to COMMIT nothing can, so keep the block short: no
        network, no sleeping.

        Raises:
            DatabaseUnusable: the database fails; nothing was written.
        """
        ...

    def read_transaction(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """One consistent state to read from, while others write.

        Raises:
            DatabaseUnusable: the database fails.
        """
        ...

    async def execute_one(self, statement: str, parameters: tuple[Any, ...] = ()) -> list[Any]:
        """Run a single statement, which is a transaction by itself, without the cost of SQLAlchemy.

        Returns:
            The rows that the statement returns, as tuples.

        Raises:
            DatabaseUnusable: the database fails; nothing was written.
        """
        ...

    async def fetch(self, statement: str, parameters: tuple[Any, ...] = ()) -> list[Any]:
        """Read with a single statement, without the cost of SQLAlchemy; a consistent state by itself.

        Raises:
            DatabaseUnusable: the database fails.
        """
        ...
