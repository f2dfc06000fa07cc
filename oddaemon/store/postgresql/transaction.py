"""A transaction of PostgreSQL for a synchronous function: it waits for the server beside the event loop."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, Table
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.util import await_only

from oddaemon.core.model import Balance
from oddaemon.store.database import ConnectionStatements
from oddaemon.store.postgresql.dialect import DIALECT


class PostgresTransaction(ConnectionStatements):
    """As `Transaction`, within `run_sync` of a connection.

    Args:
        connection: What `run_sync` gives.
        outer: The same connection.
    """

    def __init__(self, connection: Connection, outer: AsyncConnection) -> None:
        super().__init__(connection)
        self._outer = outer

    def insert_balances(self, table: Table, keys: Mapping[str, int], balances: Sequence[Balance]) -> None:
        """As `Transaction.insert_balances`."""
        await_only(DIALECT.insert_balances(self._outer, table, keys, balances))
