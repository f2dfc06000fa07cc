from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from oddaemon.core.model import OfficeSpec
from oddaemon.store import offices, outbox
from oddaemon.store.database import Database


async def register_offices(database: Database, configured: Sequence[OfficeSpec]) -> None:
    """Make these the configured offices, and leave the outbox as it is."""
    async with database.transaction() as connection:
        await offices.write_offices(connection, {each.id: each.name for each in configured})


async def reconcile_sinks(database: Database, wanted: Mapping[str, Collection[str]], now: datetime) -> None:
    """Make these the configured sinks, each with the ids of its offices."""
    async with database.transaction() as connection:
        await outbox.write_sinks(connection, wanted, now)
