"""Offices that left the configuration while their data stayed, until somebody has it forgotten."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ScalarSelect, Table, func, select

from oddaemon.store import schema
from oddaemon.store.database import Database
from oddaemon.store.errors import legible


@dataclass(frozen=True, slots=True)
class KeptOffice:
    """One of them, and what there is of it."""

    id: str
    name: str
    snapshots: int
    past_days: int
    until: datetime | None
    """When the last thing happened to it; None: nothing ever did."""


async def kept_offices(db: Database, configured: Collection[str]) -> list[KeptOffice]:
    """Every office that was ever enrolled but those that are configured, ordered by id."""
    query = select(
        schema.office.c.id,
        schema.office.c.name,
        _of(schema.snapshot, func.count()),
        _of(schema.historical_snapshot, func.count()),
        _of(schema.snapshot, func.max(schema.snapshot.c.published_at)),
        _of(schema.journal, func.max(schema.journal.c.at)),
    ).order_by(schema.office.c.id)
    async with db.reading() as connection:
        with legible(db.path):
            rows = (await connection.execute(query)).all()
    return [
        KeptOffice(office_id, name, nights, days, max((at for at in moments if at is not None), default=None))
        for office_id, name, nights, days, *moments in rows
        if office_id not in configured
    ]


def _of(table: Table, what: Any) -> ScalarSelect[Any]:  # noqa: ANN401 - whatever SQL can tell of many rows
    return select(what).select_from(table).where(table.c.office == schema.office.c.key).scalar_subquery()
