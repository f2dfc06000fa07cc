"""What the configuration wants, put on record: which offices there are, and which of them go to which sink."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from oddaemon.core.model import Office
from oddaemon.store.database import Database
from oddaemon.store.deliveries import write_aligned
from oddaemon.store.offices import write_enrolled


async def record(db: Database, offices: Sequence[Office], sinks: Mapping[str, Collection[str]], now: datetime) -> None:
    """All of it or nothing.

    Args:
        db: The database.
        offices: Those that are configured; the others are kept, marked as not wanted.
        sinks: The ids of the offices that go to each; what belongs to no other is forgotten.
        now: The present.
    """
    async with db.transaction() as connection:
        await write_enrolled(connection, offices)
        await write_aligned(connection, sinks, now)
