"""Published snapshots and their balances, kept as versions: only what changed is written.

Python's sqlite3 takes the interpreter lock for every row that it binds or fetches, which is slow beside a busy event
loop. Each statement therefore writes many rows, and rows are read as one JSON text. Writing 4,000 rows, idle and beside
a busy thread: one by one 11 and 25 ms, from one JSON text 13 and 47 ms, many to a statement 6 and 13 ms. Reading 8,000
rows beside a busy thread: one by one 384 ms, as one text 39 ms.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from itertools import chain

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from oddaemon.core.model import Balance, PublishedSnapshot, Snapshot, get_pat_num
from oddaemon.core.office.state import OfficeState
from oddaemon.store import open_pulls, outbox, schema
from oddaemon.store.database import Database
from oddaemon.store.errors import OfficeNotRegistered, constraint_errors, decoding_errors
from oddaemon.store.offices import write_state
from oddaemon.store.values import (
    BALANCE_COLUMNS,
    SNAPSHOT_COLUMNS,
    decode_balances,
    encode_json,
    format_instant,
    parse_snapshot,
)

_ROWS_PER_STATEMENT = (512, 32, 1)
"""Few sizes, so that each is prepared once and needs one call of the thread for all its statements."""

_BALANCES = (
    f"SELECT json_group_array(json_array({BALANCE_COLUMNS})) FROM (SELECT * FROM balance"  # noqa: S608 - our own column names
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
    rows: f"INSERT INTO balance (office, valid_from, {BALANCE_COLUMNS}) VALUES {', '.join([_ROW] * rows)}"  # noqa: S608 - our own column names
    for rows in _ROWS_PER_STATEMENT
}

_LATEST = (
    f"SELECT {SNAPSHOT_COLUMNS} FROM snapshot JOIN office ON office.key = snapshot.office"  # noqa: S608 - our own column names
    " WHERE office.id = ? ORDER BY snapshot.id DESC LIMIT ?"
)
_PUBLISHED = (
    f"SELECT office.id, {SNAPSHOT_COLUMNS} FROM snapshot JOIN office ON office.key = snapshot.office"  # noqa: S608 - the same
    " WHERE snapshot.id > ? AND snapshot.published_at >= ? ORDER BY snapshot.id"
)


async def publish(
    db: Database,
    office_id: str,
    snapshot: Snapshot,
    state: OfficeState,
    published_at: datetime,
    *,
    pull_seconds: float = 0.0,
    late_at: datetime | None = None,
    sinks: Sequence[str] = (),
) -> PublishedSnapshot:
    """Publish in one transaction: snapshot, changes, deliveries, the office's state, and the end of its open pull.

    Args:
        db: the database, open for writing.
        office_id: the office.
        snapshot: verified and plausible; it replaces the office's current balances.
        state: the office's state after the publication.
        published_at: the present.
        pull_seconds: since the pull's first request.
        late_at: the deadline; None: it had none.
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
            started, changed, cleared = _compare_versions(decode_balances(current), snapshot.balances)
        published = PublishedSnapshot(
            id=0,
            office_id=office_id,
            aging_date=snapshot.aging_date,
            observed_at=snapshot.observed_at,
            published_at=published_at,
            reader=snapshot.reader,
            requests=snapshot.requests,
            totals=snapshot.totals,
            new=len(started) - len(changed),
            changed=len(changed),
            cleared=len(cleared),
            pull_seconds=pull_seconds,
            late_at=late_at,
        )
        with constraint_errors(db.where):
            snapshot_id = await _insert_snapshot(connection, office_key, published)
            await _write_versions(connection, office_key, snapshot_id, [*changed, *cleared], started)
            await outbox.enqueue(connection, office_key, snapshot_id, sinks, published_at)
        if is_staged:
            await open_pulls.drop_pages(connection, office_id)
        await write_state(connection, office_id, state)
    return replace(published, id=snapshot_id)


async def list_latest(db: Database, office_id: str, limit: int) -> list[PublishedSnapshot]:
    """The office's latest snapshots, at most `limit`, latest first."""
    return await db.fetch(_LATEST, (office_id, limit), partial(parse_snapshot, office_id))


async def list_published(db: Database, since: datetime, after_id: int = 0) -> list[PublishedSnapshot]:
    """The snapshots of all offices that were published since then, with a higher id than `after_id`, oldest first."""
    parameters = (after_id, format_instant(since))
    return await db.fetch(_PUBLISHED, parameters, lambda row: parse_snapshot(row[0], row[1:]))


async def load_balances(db: Database, office_id: str, snapshot_id: int | None = None) -> list[Balance]:
    """The office's balances in a snapshot, or the latest ones, ordered by pat_num; empty before its first snapshot."""
    query, parameters = _CURRENT_BALANCES, tuple[str | int, ...]([office_id])
    if snapshot_id is not None:
        query, parameters = _BALANCES_AS_OF, (office_id, snapshot_id, snapshot_id)
    (balances,) = await db.fetch(query, parameters, lambda row: decode_balances(row[0]))
    return balances


async def _insert_snapshot(connection: AsyncConnection, office_key: int, published: PublishedSnapshot) -> int:
    row = {
        "office": office_key,
        "aging_date": published.aging_date,
        "observed_at": published.observed_at,
        "published_at": published.published_at,
        "reader": published.reader.value,
        "requests": published.requests,
        **published.totals._asdict(),
        "new_guarantors": published.new,
        "changed_guarantors": published.changed,
        "cleared_guarantors": published.cleared,
        "pull_seconds": published.pull_seconds,
        "late_at": published.late_at,
    }
    snapshot_id: int = await connection.scalar(insert(schema.snapshot).returning(schema.snapshot.c.id), row)
    return snapshot_id


def _compare_versions(
    before: Sequence[Balance], after: Collection[Balance]
) -> tuple[list[Balance], Collection[int], Collection[int]]:
    """The balances that are new or changed, and the PatNums of those that are changed and cleared."""
    # Few passes in C: the event loop waits while a whole office is compared.
    former = dict(zip(map(get_pat_num, before), before, strict=True))
    started = [balance for balance in after if former.get(balance.pat_num) != balance]
    changed = former.keys() & set(map(get_pat_num, started))
    return started, changed, former.keys() - set(map(get_pat_num, after))


async def _write_versions(
    connection: AsyncConnection, office_key: int, snapshot_id: int, ended: Sequence[int], started: Sequence[Balance]
) -> None:
    """End the versions of these guarantors, and write those that start."""
    if ended:
        await connection.exec_driver_sql(_END_VERSIONS, (snapshot_id, office_key, encode_json(ended)))
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
