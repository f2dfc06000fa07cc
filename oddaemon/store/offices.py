"""The offices: their states, those that were removed from the configuration, and what the configuration wants.

A state is one JSON text, so its shape belongs to the core. The plain columns beside it repeat parts of it for a person
with the sqlite3 shell; nothing reads them back.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row, ScalarSelect, Table, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from oddaemon.core.model import OfficeSpec, PublishedSnapshot
from oddaemon.core.office.state import OfficeState
from oddaemon.store import schema
from oddaemon.store.database import Database
from oddaemon.store.errors import OfficeNotRegistered, decoding_errors
from oddaemon.store.outbox import write_sinks
from oddaemon.store.snapshot_rows import SNAPSHOT_COLUMNS, make_snapshot_row

_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(OfficeState)

_REGISTER = text(
    "INSERT INTO office (id, name, wanted) VALUES (:id, :name, true) "
    "ON CONFLICT (id) DO UPDATE SET name = excluded.name, wanted = true"
)


@dataclass(frozen=True, slots=True)
class OfficeRow:
    """One office of the fleet, as the database knows it."""

    id: str
    name: str
    is_configured: bool
    """False: no longer configured; its data is kept."""
    state: OfficeState | None
    """None: there is none, or this version cannot decode it."""
    snapshot: PublishedSnapshot | None
    """The latest one."""


async def write_offices(connection: AsyncConnection, offices: Sequence[OfficeSpec]) -> None:
    """Register the configured offices, as part of a larger transaction. Others are kept, marked as not wanted."""
    rows = [{"id": office.id, "name": office.name} for office in offices]
    await connection.execute(schema.office.update().values(wanted=False))
    if rows:
        await connection.execute(_REGISTER, rows)


async def load_state(db: Database, office_id: str) -> OfficeState | None:
    """The saved state; None: there is none, or this version cannot decode it."""
    async with db.read_transaction() as connection:
        found = await connection.scalar(select(schema.office.c.state).where(schema.office.c.id == office_id))
    return _decode_state(found)


async def save_state(db: Database, office_id: str, state: OfficeState) -> None:
    """Save the state.

    Raises:
        OfficeNotRegistered: no such office.
    """
    async with db.transaction() as connection:
        await write_state(connection, office_id, state)


async def write_state(connection: AsyncConnection, office_id: str, state: OfficeState) -> None:
    """Save the state, as part of a larger transaction.

    Raises:
        OfficeNotRegistered: no such office.
    """
    status = state.standing
    result = await connection.execute(
        schema.office.update().where(schema.office.c.id == office_id),
        {
            "condition": status.condition.value,
            "since": status.since,
            "reason": status.reason,
            "owner": None if status.owner is None else status.owner.value,
            "not_before": state.not_before,
            "state": _encode(state).decode(),
        },
    )
    if not result.rowcount:
        raise OfficeNotRegistered(office_id)


async def list_all(db: Database) -> list[OfficeRow]:
    """Every office that was ever registered, ordered by id, in one query."""
    latest = (
        select(func.max(schema.snapshot.c.id))
        .where(schema.snapshot.c.office == schema.office.c.key)
        .correlate(schema.office)
        .scalar_subquery()
    )
    query = (
        select(
            schema.office.c.id, schema.office.c.name, schema.office.c.wanted, schema.office.c.state, *SNAPSHOT_COLUMNS
        )
        .outerjoin(schema.snapshot, schema.snapshot.c.id == latest)
        .order_by(schema.office.c.id)
    )
    async with db.read_transaction() as connection:
        with decoding_errors(db.where):
            rows = (await connection.execute(query)).all()
            return [_parse_office(row) for row in rows]


def _parse_office(row: Row[Any]) -> OfficeRow:
    office_id, name, is_configured, state, *snapshot = tuple(row)
    return OfficeRow(
        id=office_id,
        name=name,
        is_configured=is_configured,
        state=_decode_state(state),
        snapshot=None if snapshot[0] is None else make_snapshot_row(office_id, snapshot),
    )


def _decode_state(state: str | None) -> OfficeState | None:
    if state is None:
        return None
    try:
        return _decoder.decode(state)
    except msgspec.DecodeError:
        return None


@dataclass(frozen=True, slots=True)
class RemovedOffice:
    """An office that is no longer configured, and the amount of its data."""

    id: str
    name: str
    snapshots: int
    backfilled_days: int
    last_activity_at: datetime | None
    """The time of its last snapshot or journal entry; None: it has none."""


async def list_removed_offices(db: Database, configured: Collection[str]) -> list[RemovedOffice]:
    """Every registered office that is not configured, ordered by id."""
    query = select(
        schema.office.c.id,
        schema.office.c.name,
        _select_for_office(schema.snapshot, func.count()),
        _select_for_office(schema.historical_snapshot, func.count()),
        _select_for_office(schema.snapshot, func.max(schema.snapshot.c.published_at)),
        _select_for_office(schema.journal, func.max(schema.journal.c.at)),
    ).order_by(schema.office.c.id)
    async with db.read_transaction() as connection:
        with decoding_errors(db.where):
            rows = (await connection.execute(query)).all()
    return [
        RemovedOffice(office_id, name, nights, days, max((at for at in moments if at is not None), default=None))
        for office_id, name, nights, days, *moments in rows
        if office_id not in configured
    ]


def _select_for_office(table: Table, column: Any) -> ScalarSelect[Any]:  # noqa: ANN401 - any aggregate
    return select(column).select_from(table).where(table.c.office == schema.office.c.key).scalar_subquery()


async def save_config(
    db: Database, offices: Sequence[OfficeSpec], sinks: Mapping[str, Collection[str]], now: datetime
) -> None:
    """Store the configured offices and sinks in one transaction, as `write_offices` and `write_sinks` do."""
    async with db.transaction() as connection:
        await write_offices(connection, offices)
        await write_sinks(connection, sinks, now)
