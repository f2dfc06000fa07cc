"""How an office begins to be delivered to a sink, on a database of several hosts."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Text, bindparam, text

from oddaemon.store.database import Database
from oddaemon.store.outbox import start_offices

_NEVER_DELIVERED = text(
    "SELECT office.id FROM office WHERE office.id IN :offices "
    "AND EXISTS (SELECT 1 FROM snapshot WHERE snapshot.office = office.key) "
    "AND NOT EXISTS (SELECT 1 FROM delivery WHERE delivery.sink = :sink AND delivery.office = office.key) "
    "ORDER BY office.id"
).bindparams(bindparam("offices", expanding=True, type_=Text()))
_LOCK_LEASE = text("SELECT 1 FROM lease WHERE kind = 'office' AND name = :office FOR NO KEY UPDATE")


async def start_sink(db: Database, sink: str, offices: Collection[str], now: datetime) -> None:
    """Enqueue the current snapshot of each office that is new to the sink.

    Another host may publish for an office at this moment, and enqueues that snapshot itself: it keeps the office's
    lease meanwhile, so this waits for it. One office at a time, as no host can ask an office while its lease is locked.

    Raises:
        StoreError: the database fails; call it again.
    """
    if not offices:
        return
    query = _NEVER_DELIVERED.bindparams(offices=sorted(offices), sink=sink)
    for office in await db.select(query, lambda row: str(row.id)):
        async with db.transaction() as connection:
            await connection.execute(_LOCK_LEASE, {"office": office})
            await start_offices(connection, sink, [office], now)
