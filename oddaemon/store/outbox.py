"""Queuing a snapshot for the sinks, inside the transaction that publishes it; everything else is in `deliveries`."""

from collections.abc import Sequence
from datetime import datetime
from uuid import uuid4

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from oddaemon.core.delivery import DeliveryState
from oddaemon.store import schema


async def enqueue(
    connection: AsyncConnection, office_key: int, snapshot_id: int, sinks: Sequence[str], at: datetime
) -> None:
    """Queue a snapshot for each of these sinks.

    The ids are drawn, not derived: a database that is made anew counts its snapshots from one again, and its deliveries
    must not be taken for those of the former one.
    """
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
    if rows:
        await connection.execute(insert(schema.delivery), rows)
