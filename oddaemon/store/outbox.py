"""Queuing a snapshot for the sinks, inside the transaction that publishes it; everything else is in `deliveries`."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import uuid4

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from oddaemon.core.delivery import DeliveryState
from oddaemon.store import schema
from oddaemon.store.schema import instant_text

KEPT = timedelta(days=30)
"""How long it can be seen what became of a delivery."""
_FORGET_OLD = (
    "DELETE FROM delivery WHERE office = ? AND sink = ? AND state <> 'due' AND ended_at < ? AND snapshot < ? "
    "AND number < (SELECT MAX(last.number) FROM delivery AS last WHERE last.office = delivery.office "
    "AND last.sink = delivery.sink AND last.state <> 'due')"
)
"""Of each office the last that ended stays: what the next one carries hangs on it."""


async def enqueue(
    connection: AsyncConnection, office_key: int, snapshot_id: int, sinks: Sequence[str], at: datetime
) -> None:
    """Queue a snapshot for each of these sinks.

    The ids are drawn, not derived: a database that is made anew counts its snapshots from one again, and its deliveries
    must not be taken for those of the former one.
    """
    if not sinks:
        return
    rows = [
        {
            "delivery_id": uuid4().hex,
            "sink": sink,
            "office": office_key,
            "snapshot": snapshot_id,
            "state": DeliveryState.DUE.value,
            "queued_at": at,
            "attempts": 0,
            "not_before": at,
        }
        for sink in sinks
    ]
    await connection.execute(insert(schema.delivery), rows)
    over = instant_text(at - KEPT)
    await connection.exec_driver_sql(_FORGET_OLD, [(office_key, sink, over, snapshot_id) for sink in sinks])
