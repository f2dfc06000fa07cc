"""Published snapshots and their balances, kept as versions: only what changed is written."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import NamedTuple

from sqlalchemy import BigInteger, Date

from oddaemon.core.model import Balance, PublishedSnapshot, Snapshot, get_pat_num
from oddaemon.core.office.state import OfficeState
from oddaemon.core.snapshot.balance_rows import BalanceRows
from oddaemon.store import open_pulls, outbox, schema
from oddaemon.store.column_types import Instant, ListOf
from oddaemon.store.database import Database, Transaction
from oddaemon.store.dialect import Dialect, DialectStatement, make_statement
from oddaemon.store.errors import OfficeNotRegistered, constraint_errors, decoding_errors
from oddaemon.store.offices import write_state
from oddaemon.store.values import (
    BALANCE_COLUMNS,
    SNAPSHOT_COLUMNS,
    decode_balances,
    encode_rows,
    parse_snapshot,
    split_rows,
)


def _write_balances(dialect: Dialect, condition: str) -> str:
    source = (
        "SELECT * FROM balance WHERE office = (SELECT office.key FROM office WHERE office.id = :office)"  # noqa: S608 - our own text
        f" AND {condition} ORDER BY pat_num"
    )
    return dialect.make_json_rows(dialect.make_json_array(BALANCE_COLUMNS), source)


def _write_current_balances(dialect: Dialect) -> str:
    return _write_balances(dialect, "valid_to IS NULL")


_CURRENT_BALANCES = DialectStatement(_write_current_balances)
_BALANCES_AS_OF = DialectStatement(
    lambda dialect: _write_balances(dialect, "valid_from <= :snapshot AND (valid_to IS NULL OR valid_to > :snapshot)")
)
_OFFICE = DialectStatement(
    lambda dialect: (
        "SELECT office.key, EXISTS (SELECT 1 FROM pull_page WHERE pull_page.office = office.key), "  # noqa: S608 - our own text
        f"({_write_current_balances(dialect)}) FROM office WHERE office.id = :office"
    )
)
_END_VERSIONS = DialectStatement(
    lambda dialect: (
        "UPDATE balance SET valid_to = :snapshot WHERE office = :office AND valid_to IS NULL "  # noqa: S608 - our own text
        f"AND {dialect.is_listed('pat_num', 'pat_nums')}"
    ),
    pat_nums=ListOf(BigInteger()),
)
_COLUMNS = [column.name for column in schema.snapshot.c if column.name != "id"]
_INSERT = make_statement(
    f"INSERT INTO snapshot ({', '.join(_COLUMNS)}) VALUES ({', '.join(f':{name}' for name in _COLUMNS)}) RETURNING id",  # noqa: S608 - our own column names
    aging_date=Date(),
    observed_at=Instant(),
    published_at=Instant(),
    late_at=Instant(),
)
_LATEST = make_statement(
    f"SELECT {SNAPSHOT_COLUMNS} FROM snapshot JOIN office ON office.key = snapshot.office"  # noqa: S608 - our own column names
    " WHERE office.id = :office ORDER BY snapshot.id DESC LIMIT :limit"
)
_PUBLISHED = DialectStatement(
    lambda dialect: (
        f"SELECT office.id, {SNAPSHOT_COLUMNS} FROM snapshot JOIN office ON office.key = snapshot.office"  # noqa: S608 - the same
        " WHERE snapshot.id > :after AND snapshot.published_at >= :since"
        f" AND NOT {dialect.is_listed('snapshot.id', 'known')} ORDER BY snapshot.id"
    ),
    since=Instant(),
    known=ListOf(BigInteger()),
)


class _Versions(NamedTuple):
    """How a snapshot differs from the one before."""

    started: list[Balance]
    """New or changed."""
    changed: set[int]
    cleared: set[int]


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
    rows, dialect, where = BalanceRows.of(snapshot.balances), db.dialect, db.where

    def write(transaction: Transaction) -> PublishedSnapshot:
        found = transaction.execute(_OFFICE.render(dialect), {"office": office_id})
        if not found:
            raise OfficeNotRegistered(office_id)
        ((office_key, is_staged, current),) = found
        with decoding_errors(where):
            versions = _compare_versions(split_rows(current), rows)
        published = _make_published(office_id, snapshot, versions, published_at)
        published = replace(published, pull_seconds=pull_seconds, late_at=late_at)
        with constraint_errors(where):
            snapshot_id = _insert_snapshot(transaction, office_key, published)
            _write_versions(transaction, dialect, (office_key, snapshot_id), versions)
            outbox.enqueue(transaction, office_key, snapshot_id, sinks, published_at)
        if is_staged:
            open_pulls.drop_pages(transaction, office_id)
        write_state(transaction, office_id, state)
        return replace(published, id=snapshot_id)

    return await db.run(write)


async def list_latest(db: Database, office_id: str, limit: int) -> list[PublishedSnapshot]:
    """The office's latest snapshots, at most `limit`, latest first."""
    return await db.fetch(_LATEST, {"office": office_id, "limit": limit}, partial(parse_snapshot, office_id))


async def list_published(
    db: Database, since: datetime, after_id: int, known_ids: Collection[int]
) -> list[PublishedSnapshot]:
    """The snapshots of all offices that were published since then, oldest first.

    Those with an id up to `after_id` and those in `known_ids` are left out.
    """
    values = {"after": after_id, "since": since, "known": known_ids}
    return await db.fetch(_PUBLISHED.render(db.dialect), values, lambda row: parse_snapshot(row[0], row[1:]))


async def load_balances(db: Database, office_id: str, snapshot_id: int | None = None) -> list[Balance]:
    """The office's balances in a snapshot, or the latest ones, ordered by pat_num; empty before its first snapshot."""
    query = _CURRENT_BALANCES if snapshot_id is None else _BALANCES_AS_OF
    values = {"office": office_id, "snapshot": snapshot_id}
    (balances,) = await db.fetch(query.render(db.dialect), values, lambda row: decode_balances(row[0]))
    return balances


def _make_published(
    office_id: str, snapshot: Snapshot, versions: _Versions, published_at: datetime
) -> PublishedSnapshot:
    return PublishedSnapshot(
        id=0,
        office_id=office_id,
        aging_date=snapshot.aging_date,
        observed_at=snapshot.observed_at,
        published_at=published_at,
        reader=snapshot.reader,
        requests=snapshot.requests,
        totals=snapshot.totals,
        new=len(versions.started) - len(versions.changed),
        changed=len(versions.changed),
        cleared=len(versions.cleared),
    )


def _insert_snapshot(transaction: Transaction, office_key: int, published: PublishedSnapshot) -> int:
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
    ((snapshot_id,),) = transaction.execute(_INSERT, row)
    return int(snapshot_id)


def _compare_versions(before: Sequence[bytes], after: BalanceRows) -> _Versions:
    # Few passes in C over the texts of whole rows: most of them did not change.
    known = set(before)
    started = decode_balances(encode_rows([text for text in after.texts.values() if text not in known]))
    ended = set(map(get_pat_num, decode_balances(encode_rows(known.difference(after.texts.values())))))
    changed = ended.intersection(map(get_pat_num, started))
    return _Versions(started, changed, ended - changed)


def _write_versions(transaction: Transaction, dialect: Dialect, keys: tuple[int, int], versions: _Versions) -> None:
    """End versions, and write those that start; `keys` are the office's and the snapshot's."""
    office_key, snapshot_id = keys
    if ended := versions.changed | versions.cleared:
        values = {"snapshot": snapshot_id, "office": office_key, "pat_nums": ended}
        transaction.execute(_END_VERSIONS.render(dialect), values)
    columns = {"office": office_key, "valid_from": snapshot_id}
    transaction.insert_balances(schema.balance, columns, versions.started)
