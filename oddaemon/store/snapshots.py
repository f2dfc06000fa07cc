"""Published snapshots and their balances, kept as versions: only what changed is written.

Python's sqlite3 takes the interpreter lock for every row that it binds or fetches, which is slow beside a busy event
loop. Each statement therefore writes many rows, and rows are read as one JSON text. Writing 4,000 rows, idle and beside
a busy thread: one by one 11 and 25 ms, from one JSON text 13 and 47 ms, many to a statement 6 and 13 ms. Reading 8,000
rows beside a busy thread: one by one 384 ms, as one text 39 ms.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

import msgspec
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from oddaemon.core.model import Balance, PublishedSnapshot, Snapshot
from oddaemon.core.office.state import OfficeState
from oddaemon.core.snapshot.diff import SnapshotChanges, diff
from oddaemon.store import open_pulls, outbox, schema
from oddaemon.store.database import Database
from oddaemon.store.errors import OfficeNotRegistered, constraint_errors, decoding_errors
from oddaemon.store.offices import write_state
from oddaemon.store.snapshot_rows import SNAPSHOT_COLUMNS, make_snapshot_row

_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(list[Balance])

_COLUMNS = ", ".join(Balance._fields)
_ROWS_PER_STATEMENT = (512, 32, 1)
"""Few sizes, so that each is prepared once and needs one call of the thread for all its statements."""

_BALANCES = (
    f"SELECT json_group_array(json_array({_COLUMNS})) FROM (SELECT * FROM balance"  # noqa: S608 - our own column names
    " WHERE office = (SELECT office.key FROM office WHERE office.id = ?) AND {} ORDER BY pat_num)"
)
_CURRENT_BALANCES = _BALANCES.format("valid_to IS NULL")
_OFFICE = (
    "SELECT office.key, EXISTS (SELECT 1 FROM pull_page WHERE pull_page.office = office.key), "  # noqa: S608 - our own column names
    f"({_CURRENT_BALANCES}) FROM office WHERE office.id = ?"
)
_BALANCES_AS_OF = _BALANCES.format("valid_from <= ? AND (valid_to IS NULL OR valid_to > ?)")
_END_VERSIONS = (
    "UPDATE balance SET valid_to = ? WHERE office = ? AND valid_to IS NULL "
    "AND pat_num IN (SELECT value FROM json_each(?))"
)
_ROW = f"(?1, ?2, {', '.join('?' for _ in Balance._fields)})"
_INSERT_VERSIONS = {
    rows: f"INSERT INTO balance (office, valid_from, {_COLUMNS}) VALUES {', '.join([_ROW] * rows)}"  # noqa: S608 - our own column names
    for rows in _ROWS_PER_STATEMENT
}


@dataclass(frozen=True, slots=True)
class PublishContext:
    """How a snapshot was pulled, for reports on its night."""

    pull_duration: timedelta = timedelta()
    """From the pull's first request."""
    late_at: datetime | None = None
    """Its deadline; None: it had none."""


UNKNOWN_CONTEXT = PublishContext()


async def publish(
    db: Database,
    office_id: str,
    snapshot: Snapshot,
    state: OfficeState,
    published_at: datetime,
    *,
    context: PublishContext = UNKNOWN_CONTEXT,
    sinks: Sequence[str] = (),
) -> PublishedSnapshot:
    """Publish in one transaction: snapshot, changes, deliveries, the office's state, and the end of its open pull.

    Args:
        db: the database, open for writing.
        office_id: the office.
        snapshot: verified and plausible; it replaces the office's current balances.
        state: the office's state after the publication.
        published_at: the present.
        context: how it was pulled.
        sinks: the sinks to deliver it to.

    Raises:
        OfficeNotRegistered: no such office.
        ValueError: the number of guarantors differs from the control totals; nothing is written.
    """
    if len(snapshot.balances) != snapshot.totals.guarantors:
        raise ValueError("The number of guarantors in the snapshot differs from its control totals.")
    async with db.transaction() as connection:
        found = (await connection.exec_driver_sql(_OFFICE, (office_id, office_id))).one_or_none()
        if found is None:
            raise OfficeNotRegistered(office_id)
        office_key, is_staged, current = tuple(found)
        with decoding_errors(db.where):
            previous_balances = {balance.pat_num: balance for balance in _decoder.decode(current)}
        changes = diff(previous_balances, snapshot.balances)
        with constraint_errors(db.where):
            row = {"published_at": published_at, **_build_snapshot_row(snapshot, changes, context)}
            snapshot_id = await _insert_snapshot(connection, {"office": office_key, **row})
            await _write_versions(connection, office_key, snapshot_id, changes)
            await outbox.enqueue(connection, office_key, snapshot_id, sinks, published_at)
        if is_staged:
            await open_pulls.drop_pages(connection, office_id)
        await write_state(connection, office_id, state)
    return PublishedSnapshot(
        id=snapshot_id,
        office_id=office_id,
        aging_date=snapshot.aging_date,
        observed_at=snapshot.observed_at,
        published_at=published_at,
        reader=snapshot.reader,
        requests=snapshot.requests,
        totals=snapshot.totals,
        new=len(changes.new),
        changed=len(changes.changed),
        cleared=len(changes.cleared),
        pull_seconds=context.pull_duration.total_seconds(),
        late_at=context.late_at,
    )


async def get_latest(db: Database, office_id: str) -> PublishedSnapshot | None:
    """The office's latest snapshot; None: it has none."""
    rows = await list_latest(db, office_id, limit=1)
    return rows[0] if rows else None


async def list_latest(db: Database, office_id: str, limit: int) -> list[PublishedSnapshot]:
    """The office's latest snapshots, at most `limit`, latest first."""
    query = (
        select(*SNAPSHOT_COLUMNS)
        .join(schema.office, schema.office.c.key == schema.snapshot.c.office)
        .where(schema.office.c.id == office_id)
        .order_by(schema.snapshot.c.id.desc())
        .limit(limit)
    )
    async with db.read_transaction() as connection:
        with decoding_errors(db.where):
            rows = (await connection.execute(query)).all()
            return [make_snapshot_row(office_id, row) for row in rows]


async def load_balances(db: Database, office_id: str, snapshot_id: int | None = None) -> list[Balance]:
    """The office's balances in a snapshot, or the latest ones, ordered by pat_num; empty before its first snapshot."""
    async with db.read_transaction() as connection:
        query, parameters = _CURRENT_BALANCES, tuple[str | int, ...]([office_id])
        if snapshot_id is not None:
            query, parameters = _BALANCES_AS_OF, (office_id, snapshot_id, snapshot_id)
        text = (await connection.exec_driver_sql(query, parameters)).scalar_one()
        with decoding_errors(db.where):
            return _decoder.decode(text)


async def _insert_snapshot(connection: AsyncConnection, row: Mapping[str, object]) -> int:
    snapshot_id: int = await connection.scalar(insert(schema.snapshot).returning(schema.snapshot.c.id), row)
    return snapshot_id


def _build_snapshot_row(snapshot: Snapshot, changes: SnapshotChanges, context: PublishContext) -> dict[str, object]:
    return {
        "aging_date": snapshot.aging_date,
        "observed_at": snapshot.observed_at,
        "reader": snapshot.reader.value,
        "requests": snapshot.requests,
        **snapshot.totals._asdict(),
        "new_guarantors": len(changes.new),
        "changed_guarantors": len(changes.changed),
        "cleared_guarantors": len(changes.cleared),
        "pull_seconds": context.pull_duration.total_seconds(),
        "late_at": context.late_at,
    }


async def _write_versions(
    connection: AsyncConnection, office_key: int, snapshot_id: int, changes: SnapshotChanges
) -> None:
    ended = [balance.pat_num for balance in _list_ended(changes)]
    started = [*changes.new, *(later for _, later in changes.changed)]
    if ended:
        await connection.exec_driver_sql(_END_VERSIONS, (snapshot_id, office_key, _encode(ended).decode()))
    written = 0
    for rows in _ROWS_PER_STATEMENT:
        whole = written + (len(started) - written) // rows * rows
        statements = [
            (office_key, snapshot_id, *chain.from_iterable(started[first : first + rows]))
            for first in range(written, whole, rows)
        ]
        if statements:
            await connection.exec_driver_sql(_INSERT_VERSIONS[rows], statements)
        written = whole


def _list_ended(changes: SnapshotChanges) -> Iterable[Balance]:
    yield from (earlier for earlier, _ in changes.changed)
    yield from changes.cleared
