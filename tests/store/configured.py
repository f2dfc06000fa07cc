from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from oddaemon.core.model import OfficeSpec
from oddaemon.core.office.state import OfficeState
from oddaemon.store import offices, outbox
from oddaemon.store.database import ConnectionStatements, Database


async def register_offices(database: Database, configured: Sequence[OfficeSpec]) -> None:
    """Make these the configured offices, and leave the outbox as it is."""
    async with database.transaction() as connection:
        await offices.write_offices(connection, {each.id: each.name for each in configured})


async def reconcile_sinks(database: Database, wanted: Mapping[str, Collection[str]], now: datetime) -> None:
    """Make these the configured sinks, each with the ids of its offices."""
    async with database.transaction() as connection:
        await outbox.write_sinks(connection, wanted, now)


async def write_state(connection: AsyncConnection, office_id: str, state: OfficeState) -> None:
    """Save the state in an open transaction."""
    await connection.run_sync(lambda inner: offices.write_state(ConnectionStatements(inner), office_id, state))


async def enqueue(connection: AsyncConnection, office_key: int, snapshot_id: int, sink: str, at: datetime) -> None:
    """Queue a snapshot in an open transaction."""
    await connection.run_sync(
        lambda inner: outbox.enqueue(ConnectionStatements(inner), office_key, snapshot_id, [sink], at)
    )
