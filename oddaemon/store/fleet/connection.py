"""What the fleet needs of a database: single statements on connections of their own, and word from other hosts."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from sqlalchemy import TextClause

from oddaemon.store.database import Database


class StatementRunner(Protocol):
    """A connection that commits after each statement, with one user at a time."""

    async def execute(self, statement: TextClause, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run a statement. Returns its rows, with the driver's own values.

        Raises:
            DatabaseUnusable: the database fails, or the connection is lost.
        """
        ...


class KeeperConnection(StatementRunner, Protocol):
    """The connection on which a member renews, and hears of what other hosts have done."""

    async def listen(self, channel: str) -> None:
        """Hear of notifications on a channel."""
        ...

    async def wait_notification(self, seconds: float) -> bool:
        """Wait until another host notifies the channel, at most so long. Returns whether one did."""
        ...


@runtime_checkable
class FleetDatabase(Database, Protocol):
    """A database that several daemons use."""

    @property
    def turns(self) -> StatementRunner:
        """For permits: a large transaction never delays one."""
        ...

    @property
    def keeper(self) -> KeeperConnection:
        """For renewals: neither do permits."""
        ...

    @property
    def session(self) -> str:
        """The name under which the server lists all connections of this opening."""
        ...

    @property
    def timeline(self) -> int:
        """Of the server, at the opening: it rises whenever a standby is promoted."""
        ...

    def sever(self) -> None:
        """Cut all connections at once, so that whatever waits for the database fails now."""
        ...
