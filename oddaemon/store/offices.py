"""The offices, and all that is remembered of each between two actions.

A state is one JSON text, so its shape belongs to the core; the plain columns beside it repeat what a person with the
sqlite3 shell wants to see, and nothing reads them back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Row, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from oddaemon.core.model import Office
from oddaemon.core.state import OfficeState
from oddaemon.store import schema
from oddaemon.store.database import Database
from oddaemon.store.errors import OfficeNotEnrolled, legible
from oddaemon.store.snapshot_row import SNAPSHOT_COLUMNS, SnapshotRow, snapshot_row

_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(OfficeState)

_ENROLL = text(
    "INSERT INTO office (id, name, wanted) VALUES (:id, :name, true) "
    "ON CONFLICT (id) DO UPDATE SET name = excluded.name, wanted = true"
)


@dataclass(frozen=True, slots=True)
class OfficeRow:
    """One office of the fleet, as the database knows it."""

    id: str
    name: str
    wanted: bool
    """False: no longer configured; its data is kept."""
    state: OfficeState | None
    """None: nothing is remembered, or not in a form that this version understands."""
    snapshot: SnapshotRow | None
    """The latest published one."""


async def enroll(db: Database, offices: Sequence[Office]) -> None:
    """Make the configured offices known; those no longer configured are kept, marked as not wanted."""
    async with db.transaction() as connection:
        await write_enrolled(connection, offices)


async def write_enrolled(connection: AsyncConnection, offices: Sequence[Office]) -> None:
    """The same as part of a larger transaction."""
    rows = [{"id": office.id, "name": office.name} for office in offices]
    await connection.execute(schema.office.update().values(wanted=False))
    if rows:
        await connection.execute(_ENROLL, rows)


async def load_state(db: Database, office_id: str) -> OfficeState | None:
    """What was saved last; None if nothing was, or if this version cannot read it any more."""
    async with db.reading() as connection:
        found = await connection.scalar(select(schema.office.c.state).where(schema.office.c.id == office_id))
    return _decoded(found)


async def save_state(db: Database, office_id: str, state: OfficeState) -> None:
    """Remember the state.

    Raises:
        OfficeNotEnrolled: no such office.
    """
    async with db.transaction() as connection:
        await write_state(connection, office_id, state)


async def write_state(connection: AsyncConnection, office_id: str, state: OfficeState) -> None:
    """Remember the state as part of a larger transaction.

    Raises:
        OfficeNotEnrolled: no such office.
    """
    standing = state.standing
    done = await connection.execute(
        schema.office.update().where(schema.office.c.id == office_id),
        {
            "condition": standing.condition.value,
            "since": standing.since,
            "reason": standing.reason,
            "owner": None if standing.owner is None else standing.owner.value,
            "not_before": state.not_before,
            "state": _encode(state).decode(),
        },
    )
    if not done.rowcount:
        raise OfficeNotEnrolled(office_id)


async def standings(db: Database) -> list[OfficeRow]:
    """Every office ever enrolled, ordered by id, in one query."""
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
    async with db.reading() as connection:
        with legible(db.path):
            rows = (await connection.execute(query)).all()
            return [_office_row(row) for row in rows]


def _office_row(row: Row[Any]) -> OfficeRow:
    office_id, name, wanted, state, *snapshot = tuple(row)
    return OfficeRow(
        id=office_id,
        name=name,
        wanted=wanted,
        state=_decoded(state),
        snapshot=None if snapshot[0] is None else snapshot_row(office_id, snapshot),
    )


def _decoded(state: str | None) -> OfficeState | None:
    if state is None:
        return None
    try:
        return _decoder.decode(state)
    except msgspec.DecodeError:
        return None
