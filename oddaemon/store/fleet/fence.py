"""Writes that first prove that the one who writes may: a member that lost its lease, unknowingly, changes nothing.

`fenced(...)` of a database is the same database for every module of the tables: reading is as before, and each
transaction begins with a look at the lease or at the member.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from sqlalchemy import Executable, Row, TextClause
from sqlalchemy.ext.asyncio import AsyncConnection

from oddaemon.core.fleet.lease import Lease, LeaseLost
from oddaemon.store.database import Database, Transaction
from oddaemon.store.dialect import Dialect, make_statement
from oddaemon.store.fleet.leases import FENCE

T = TypeVar("T")

_FENCE_MEMBER = make_statement(
    "SELECT 1 FROM member WHERE number = :number AND stage <> 'gone' AND expires_at > clock_timestamp() FOR KEY SHARE"
)
"""`FOR KEY SHARE` keeps neither the member's renewal nor its end waiting: what a member writes without a lease of its
own, such as a journal, may come a moment late."""


class FencedDatabase:
    """A database whose every write begins with a statement that must find a row.

    Args:
        database: to write to.
        fence: the statement.
        values: its parameters.
        require_member: raises LeaseLost once this daemon itself has found that it is no member any more.
    """

    def __init__(
        self,
        database: Database,
        fence: TextClause,
        values: Mapping[str, object],
        require_member: Callable[[], None],
    ) -> None:
        self.unfenced = database
        self.maintenance_lock = database.maintenance_lock
        self.open_result = database.open_result
        self.slowest_write_seconds = 0.0
        self._fence = fence
        self._values = values
        self._require_member = require_member

    @property
    def where(self) -> str:
        """As `Database.where`."""
        return self.unfenced.where

    @property
    def writing_since(self) -> float | None:
        """As `Database.writing_since`."""
        return self.unfenced.writing_since

    @property
    def dialect(self) -> Dialect:
        """As `Database.dialect`."""
        return self.unfenced.dialect

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """As `Database.transaction`.

        Raises:
            LeaseLost: the fence found no row; nothing was written.
        """
        self._require_member()
        async with self.unfenced.transaction() as connection:
            if (await connection.execute(self._fence, self._values)).first() is None:
                raise LeaseLost
            yield connection

    async def run(self, work: Callable[[Transaction], T]) -> T:
        """As `Database.run`. Raises as `transaction` does."""
        self._require_member()

        def work_fenced(transaction: Transaction) -> T:
            if not transaction.execute(self._fence, self._values):
                raise LeaseLost
            return work(transaction)

        return await self.unfenced.run(work_fenced)

    async def execute_one(self, statement: TextClause, values: Mapping[str, Any]) -> list[Any]:
        """As `Database.execute_one`, as a transaction."""
        async with self.transaction() as connection:
            result = await connection.execute(statement, dict(values))
            return list(map(tuple, result.all())) if result.returns_rows else []

    async def select(self, query: Executable, parse: Callable[[Row[Any]], T]) -> list[T]:
        """As `Database.select`."""
        self._require_member()
        return await self.unfenced.select(query, parse)

    async def fetch(
        self, statement: TextClause, values: Mapping[str, Any], parse: Callable[[Sequence[Any]], T]
    ) -> list[T]:
        """As `Database.fetch`."""
        self._require_member()
        return await self.unfenced.fetch(statement, values, parse)


def fence_lease(database: Database, number: int, lease: Lease, require_member: Callable[[], None]) -> FencedDatabase:
    """The database of a member that works under a lease."""
    values = {"kind": lease.kind.value, "name": lease.name, "number": number, "generation": lease.generation}
    return FencedDatabase(database, FENCE, values, require_member)


def fence_member(database: Database, number: int, require_member: Callable[[], None]) -> FencedDatabase:
    """The database of a member, for what it writes under no lease."""
    return FencedDatabase(database, _FENCE_MEMBER, {"number": number}, require_member)
