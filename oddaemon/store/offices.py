"""The offices: their states, those that were removed from the configuration, and what the configuration wants.

A state is one JSON text, so its shape belongs to the core. The plain columns beside it repeat parts of it for a person
with the sqlite3 shell; nothing reads them back.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Table, Text, select
from sqlalchemy.ext.asyncio import AsyncConnection

from oddaemon.core.model import PublishedSnapshot
from oddaemon.core.office.state import OfficeState
from oddaemon.store import schema
from oddaemon.store.column_types import Instant, ListOf, PeerText, parse_optional_instant
from oddaemon.store.database import Database, Statements
from oddaemon.store.dialect import DialectStatement, make_statement
from oddaemon.store.errors import OfficeNotRegistered
from oddaemon.store.outbox import delete_unwanted, write_sinks
from oddaemon.store.values import SNAPSHOT_COLUMNS, encode_json, parse_snapshot

_IMPLICIT_PARENTS = {"historical_balance": ("snapshot", schema.historical_snapshot)}
"""References without a foreign key: by table, the column and the parent."""
_decoder = msgspec.json.Decoder(OfficeState)

_REGISTER = make_statement(
    "INSERT INTO office (id, name, wanted) VALUES (:id, :name, true) "
    "ON CONFLICT (id) DO UPDATE SET name = excluded.name, wanted = true",
    name=PeerText(),
)
_STATE = make_statement("SELECT state FROM office WHERE id = :office")
_SAVE_STATE = make_statement(
    "UPDATE office SET condition = :condition, since = :since, reason = :reason, owner = :owner, "
    "not_before = :not_before, state = :state WHERE id = :office RETURNING key",
    since=Instant(),
    reason=PeerText(),
    not_before=Instant(),
)


def _select_offices(condition: str = "") -> str:
    return f"""
SELECT office.id, office.name, office.wanted, office.state,
    (SELECT count(*) FROM snapshot AS own WHERE own.office = office.key),
    (SELECT count(*) FROM historical_snapshot AS own WHERE own.office = office.key),
    (SELECT journal.at FROM journal WHERE journal.office = office.key ORDER BY journal.number DESC LIMIT 1),
    {SNAPSHOT_COLUMNS}
FROM office LEFT JOIN snapshot ON snapshot.id = (SELECT max(own.id) FROM snapshot AS own WHERE own.office = office.key)
{condition}
ORDER BY office.id
"""  # noqa: S608 - our own column names


_OFFICES = make_statement(_select_offices())
_SOME_OFFICES = DialectStatement(
    lambda dialect: _select_offices(f"WHERE {dialect.is_listed('office.id', 'offices')}"), offices=ListOf(Text())
)
_LIVING_MEMBERS = make_statement(
    "SELECT host, offices FROM member WHERE stage <> 'gone' AND expires_at > CURRENT_TIMESTAMP ORDER BY host"
)


@dataclass(frozen=True, slots=True)
class OfficeRow:
    """One office that was ever registered, as the database knows it."""

    id: str
    name: str
    is_configured: bool
    """False: no longer configured; its data is kept."""
    state: OfficeState | None
    """None: there is none, or this version cannot decode it."""
    snapshot: PublishedSnapshot | None
    """The latest one."""
    snapshots: int
    backfilled_days: int
    journaled_at: datetime | None
    """The time of its last journal entry."""

    @property
    def last_activity_at(self) -> datetime | None:
        """The time of its last snapshot or journal entry; None: it has none."""
        published_at = None if self.snapshot is None else self.snapshot.published_at
        return max((at for at in (published_at, self.journaled_at) if at is not None), default=None)


async def list_hosts_with_office(db: Database, office_id: str) -> list[str]:
    """The hosts of the fleet whose daemons run with this office in their configuration."""
    rows = await db.fetch(_LIVING_MEMBERS, {}, lambda row: (str(row[0]), msgspec.json.decode(row[1])))
    return [host for host, offices in rows if office_id in offices]


async def write_offices(connection: AsyncConnection, names: Mapping[str, str]) -> None:
    """Register the configured offices, as part of a larger transaction. Others are kept, marked as not wanted.

    Args:
        connection: In a transaction.
        names: The name of each configured office, by its id.
    """
    rows = [{"id": office_id, "name": name} for office_id, name in names.items()]
    await connection.execute(schema.office.update().values(wanted=False))
    if rows:
        await connection.execute(_REGISTER, rows)


async def add(db: Database, names: Mapping[str, str]) -> None:
    """Register these offices, which some host has configured. Others stay as they are.

    Args:
        db: The database.
        names: The name of each office, by its id.
    """
    if names:
        async with db.transaction() as connection:
            # In one order on all hosts, which may start at the same moment.
            rows = [{"id": office_id, "name": names[office_id]} for office_id in sorted(names)]
            await connection.execute(_REGISTER, rows)


async def remove_others(db: Database, names: Collection[str], sinks: Mapping[str, Collection[str]]) -> None:
    """Mark every other office as not wanted, and delete every delivery that no sink wants any more.

    Args:
        db: The database.
        names: The ids of all configured offices.
        sinks: The ids of the offices of each sink.
    """
    async with db.transaction() as connection:
        await connection.execute(
            schema.office.update().where(schema.office.c.id.not_in(names), schema.office.c.wanted).values(wanted=False)
        )
        await delete_unwanted(connection, sinks)


async def load_state(db: Database, office_id: str) -> OfficeState | None:
    """The saved state; None: there is none, or this version cannot decode it."""
    found = await db.fetch(_STATE, {"office": office_id}, lambda row: decode_state(row[0]))
    return found[0] if found else None


async def save_state(db: Database, office_id: str, state: OfficeState) -> None:
    """Save the state.

    Raises:
        OfficeNotRegistered: no such office.
    """
    if not await db.execute_one(_SAVE_STATE, _build_state_row(office_id, state)):
        raise OfficeNotRegistered(office_id)


def write_state(statements: Statements, office_id: str, state: OfficeState) -> None:
    """Save the state, as part of a larger transaction.

    Raises:
        OfficeNotRegistered: no such office.
    """
    if not statements.execute(_SAVE_STATE, _build_state_row(office_id, state)):
        raise OfficeNotRegistered(office_id)


def _build_state_row(office_id: str, state: OfficeState) -> dict[str, object]:
    status = state.standing
    return {
        "office": office_id,
        "condition": status.condition.value,
        "since": status.since,
        "reason": status.reason,
        "owner": None if status.owner is None else status.owner.value,
        "not_before": state.not_before,
        "state": encode_json(state),
    }


async def list_all(db: Database) -> list[OfficeRow]:
    """Every office that was ever registered, ordered by id, in one query."""
    return await db.fetch(_OFFICES, {}, _parse_office)


async def list_some(db: Database, office_ids: Collection[str]) -> list[OfficeRow]:
    """These offices, as far as they were ever registered, as `list_all`."""
    return await db.fetch(_SOME_OFFICES.render(db.dialect), {"offices": list(office_ids)}, _parse_office)


def _parse_office(row: Sequence[Any]) -> OfficeRow:
    office_id, name, is_configured, state, snapshots, backfilled_days, journaled_at, *snapshot = row
    return OfficeRow(
        id=office_id,
        name=name,
        is_configured=bool(is_configured),
        state=decode_state(state),
        snapshot=None if snapshot[0] is None else parse_snapshot(office_id, snapshot),
        snapshots=snapshots,
        backfilled_days=backfilled_days,
        journaled_at=parse_optional_instant(journaled_at),
    )


def decode_state(state: str | None) -> OfficeState | None:
    """A saved state; None: there is none, or this version cannot decode it."""
    if state is None:
        return None
    try:
        return _decoder.decode(state)
    except msgspec.DecodeError:
        return None


async def save_config(
    db: Database, names: Mapping[str, str], sinks: Mapping[str, Collection[str]], now: datetime
) -> None:
    """Store the configured offices and sinks in one transaction, as `write_offices` and `write_sinks` do."""
    async with db.transaction() as connection:
        await write_offices(connection, names)
        await write_sinks(connection, sinks, now)


def list_office_tables() -> list[Table]:
    """Every table with data of an office: referring tables before the tables they refer to, `office` last."""
    found = [table for table in reversed(schema.metadata.sorted_tables) if _find_parent(table) is not None]
    return [*sorted(found, key=lambda table: table.name not in _IMPLICIT_PARENTS), schema.office]


async def delete_office_rows(connection: AsyncConnection, key: int) -> Counter[str]:
    """Delete everything of an office but its own row.

    Args:
        connection: In a transaction.
        key: The office's.

    Returns:
        The number of deleted rows by table, without tables that had none.
    """
    deleted = Counter[str]()
    for table in list_office_tables()[:-1]:
        result = await connection.execute(table.delete().where(_build_office_filter(table, key)))
        deleted[table.name] = result.rowcount
    return +deleted


async def delete_office(connection: AsyncConnection, key: int) -> None:
    """Delete the office's own row, once nothing refers to it."""
    await connection.execute(schema.office.delete().where(schema.office.c.key == key))


def _build_office_filter(table: Table, key: int) -> ColumnElement[bool]:
    """The condition for the rows of an office in one of its tables."""
    link = _find_parent(table)
    assert link is not None, "the table refers to an office"
    column, parent = link
    if parent is schema.office:
        return table.c[column] == key
    (primary,) = parent.primary_key
    return table.c[column].in_(select(primary).where(_build_office_filter(parent, key)))


def _find_parent(table: Table) -> tuple[str, Table] | None:
    """The column and the parent table through which its rows belong to an office."""
    if "office" in table.c:
        return "office", schema.office
    if table.name in _IMPLICIT_PARENTS:
        return _IMPLICIT_PARENTS[table.name]
    for foreign in table.foreign_keys:
        if _find_parent(foreign.column.table) is not None:
            return foreign.parent.name, foreign.column.table
    return None
