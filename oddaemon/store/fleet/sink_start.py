"""How a sink begins on a database of several hosts."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import bindparam, text

from oddaemon.store.database import Database
from oddaemon.store.outbox import start_offices

_LOCK_LEASES = text(
    "SELECT 1 FROM lease WHERE kind = 'office' AND name IN :offices ORDER BY name FOR NO KEY UPDATE"
).bindparams(bindparam("offices", expanding=True))


async def start_sink(db: Database, sink: str, offices: Collection[str], now: datetime) -> None:
    """Enqueue the current snapshot of each office that is new to the sink.

    Another host may publish for one of the offices at this moment, and enqueues that snapshot itself: it keeps the
    office's lease meanwhile, so this waits for it.
    """
    if offices:
        async with db.transaction() as connection:
            await connection.execute(_LOCK_LEASES, {"offices": sorted(offices)})
            await start_offices(connection, sink, offices, now)
