"""The outbox: one row for each sink and snapshot, written in the transaction that publishes the snapshot.

All that a courier must remember is in these rows, so it survives the death of the process. A row becomes `done` only
after the sink has acknowledged; a process that dies in between delivers again, under the same `delivery_id`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import BigInteger, Row, Text, bindparam, delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from oddaemon.core.delivery import Delivery, DeliveryAttempt, DeliveryState, FailedAttempt, SinkState
from oddaemon.store import schema
from oddaemon.store.column_types import Instant, ListOf, parse_instant, parse_optional_instant
from oddaemon.store.database import ConnectionStatements, Database, Statements
from oddaemon.store.dialect import DialectStatement, make_statement

RETENTION = timedelta(days=30)
"""How long the outcome of a delivery is kept."""
_ENQUEUE = make_statement(
    "INSERT INTO delivery (delivery_id, sink, office, snapshot, state, queued_at, attempts, not_before) "
    "VALUES (:delivery_id, :sink, :office, :snapshot, :state, :at, 0, :at)",
    at=Instant(),
)
_DELETE_OLD = make_statement(
    "DELETE FROM delivery WHERE office = :office AND sink = :sink AND state <> 'due' AND ended_at < :expired_before "
    "AND snapshot < :snapshot "
    "AND number < (SELECT MAX(last.number) FROM delivery AS last WHERE last.office = delivery.office "
    "AND last.sink = delivery.sink AND last.state <> 'due')",
    expired_before=Instant(),
)
"""The last delivery of each office that ended stays: the next one's content depends on it."""


def enqueue(statements: Statements, office_key: int, snapshot_id: int, sinks: Sequence[str], at: datetime) -> None:
    """Queue a snapshot for each of these sinks, as part of the publish transaction.

    The ids are random, not derived: a new database counts its snapshots from one again, and a consumer must not take
    its deliveries for those of the previous database.
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
            "at": at,
        }
        for sink in sinks
    ]
    statements.execute_many(_ENQUEUE, rows)
    expired = {"office": office_key, "snapshot": snapshot_id, "expired_before": at - RETENTION}
    statements.execute_many(_DELETE_OLD, [{**expired, "sink": sink} for sink in sinks])


SKIPPED_BY_COMMAND = "Skipped by a command."

_delivery, _office, _sink = schema.delivery.c, schema.office.c, schema.sink.c

_IS_FIRST_DUE = text(
    "NOT EXISTS (SELECT 1 FROM delivery AS earlier WHERE earlier.sink = delivery.sink "
    "AND earlier.office = delivery.office AND earlier.state = 'due' AND earlier.number < delivery.number)"
)
_IS_LATEST = text(
    "NOT EXISTS (SELECT 1 FROM delivery AS later WHERE later.sink = delivery.sink "
    "AND later.office = delivery.office AND later.number > delivery.number)"
)
_IS_UNRESOLVED = text(
    "delivery.state = 'dead' AND NOT EXISTS (SELECT 1 FROM delivery AS later WHERE later.sink = delivery.sink "
    "AND later.office = delivery.office AND later.number > delivery.number AND later.state = 'done')"
)
_NEXT_DUE = DialectStatement(
    lambda dialect: (
        f"""
SELECT delivery.number, delivery.delivery_id, office.id, delivery.snapshot, delivery.queued_at, delivery.not_before,
    delivery.attempts, CASE WHEN previous.state = 'done' THEN previous.snapshot END, sink.failures, sink.not_before
FROM delivery JOIN office ON office.key = delivery.office
LEFT JOIN sink ON sink.name = delivery.sink
LEFT JOIN delivery AS previous ON previous.number = (
    SELECT MAX(earlier.number) FROM delivery AS earlier
    WHERE earlier.sink = delivery.sink AND earlier.office = delivery.office AND earlier.number < delivery.number)
WHERE delivery.sink = :sink AND delivery.state = 'due' AND {_IS_FIRST_DUE.text}
    AND NOT {dialect.is_listed("office.id", "in_flight")}
ORDER BY delivery.not_before, delivery.number LIMIT :count
"""  # noqa: S608 - our own text
    ),
    in_flight=ListOf(Text()),
)
_BACKLOG = make_statement("SELECT COUNT(*), MIN(queued_at) FROM delivery WHERE sink = :sink AND state = 'due'")
_NEVER_DELIVERED = text(
    "SELECT office.key, MAX(snapshot.id) FROM office JOIN snapshot ON snapshot.office = office.key "
    "WHERE office.id IN :offices AND NOT EXISTS "
    "(SELECT 1 FROM delivery WHERE delivery.sink = :sink AND delivery.office = office.key) GROUP BY office.key"
).bindparams(bindparam("offices", expanding=True, type_=Text()))
"""Offices of which a sink has no delivery yet, with their current snapshots."""
_MARK_DONE = DialectStatement(
    lambda dialect: (
        "UPDATE delivery SET state = 'done', error = NULL, ended_at = :now "  # noqa: S608 - our own text
        f"WHERE {dialect.is_listed('number', 'numbers')} AND state = 'due'"
    ),
    now=Instant(),
    numbers=ListOf(BigInteger()),
)


@dataclass(frozen=True, slots=True)
class SinkBacklog:
    """What waits for a sink."""

    pending: int
    oldest_at: datetime | None
    """Since when the oldest of them waits."""


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """The state of a delivery, for `sink status`."""

    sink: str
    office_id: str
    delivery: Delivery
    state: DeliveryState
    error: str | None
    ended_at: datetime | None


async def write_sinks(connection: AsyncConnection, wanted: Mapping[str, Collection[str]], now: datetime) -> None:
    """Make the outbox fit the configuration, as part of a larger transaction.

    An office that is new to a sink starts with its current snapshot, so that a consumer is complete at once.
    Deliveries that the configuration no longer wants are deleted, due or done: should they be wanted again, the sink
    starts from the current snapshot.
    """
    await delete_unwanted(connection, wanted)
    for sink, offices in wanted.items():
        await start_offices(connection, sink, offices, now)


async def delete_unwanted(connection: AsyncConnection, wanted: Mapping[str, Collection[str]]) -> None:
    """Delete the deliveries that the configuration no longer wants, as part of a larger transaction."""
    await connection.execute(delete(schema.delivery).where(_delivery.sink.not_in(wanted)))
    await connection.execute(delete(schema.sink).where(_sink.name.not_in(wanted)))
    for sink, offices in wanted.items():
        office_keys = select(_office.key).where(_office.id.in_(offices))
        await connection.execute(
            delete(schema.delivery).where(_delivery.sink == sink, _delivery.office.not_in(office_keys))
        )


async def start_offices(connection: AsyncConnection, sink: str, offices: Collection[str], now: datetime) -> None:
    """Enqueue the current snapshot of each office that is new to the sink, as part of a larger transaction."""
    names = {"sink": sink, "offices": list(offices)}
    for office_key, snapshot_id in (await connection.execute(_NEVER_DELIVERED, names)).all():
        await connection.run_sync(
            lambda inner, *values: enqueue(ConnectionStatements(inner), *values), office_key, snapshot_id, [sink], now
        )


async def load_next(db: Database, sink: str, in_flight: Collection[str] = (), count: int = 1) -> list[DeliveryAttempt]:
    """What to try next: of the first due delivery of each office those that may be tried soonest, at most `count`.

    Offices with a delivery `in_flight` are left out.
    """
    # One of the calls that go straight to the driver: a transaction of SQLAlchemy takes six times as long.
    values = {"sink": sink, "in_flight": in_flight, "count": count}
    return await db.fetch(_NEXT_DUE.render(db.dialect), values, _parse_next_due)


async def load_backlog(db: Database, sink: str) -> SinkBacklog:
    """What waits for a sink. It takes the longer the more there is."""
    (backlog,) = await db.fetch(
        _BACKLOG, {"sink": sink}, lambda row: SinkBacklog(row[0], parse_optional_instant(row[1]))
    )
    return backlog


async def mark_done(db: Database, sink: str, attempts: Sequence[DeliveryAttempt], now: datetime) -> None:
    """The sink has acknowledged them; one commit records all. One that was skipped or deleted meanwhile stays so."""
    numbers = [attempt.delivery.number for attempt in attempts]
    done = {"now": now, "numbers": numbers}
    if not any(attempt.sink_state.failures for attempt in attempts):
        # The usual case takes one call of the thread.
        await db.execute_one(_MARK_DONE.render(db.dialect), done)
        return
    async with db.transaction() as connection:
        await connection.execute(_MARK_DONE.render(db.dialect), done)
        await _save_sink_state(connection, sink, SinkState())


async def record_failure(db: Database, sink: str, failed: FailedAttempt, why: str, now: datetime) -> None:
    """The sink has not acknowledged it; `why` is one sentence."""
    values = {
        "state": failed.state.value,
        "attempts": failed.delivery.attempts,
        "not_before": failed.delivery.not_before,
        "error": why,
        "ended_at": None if failed.state is DeliveryState.DUE else now,
    }
    async with db.transaction() as connection:
        await connection.execute(_update_if_due(failed.delivery), values)
        await _save_sink_state(connection, sink, failed.sink_state)


async def mark_skipped(db: Database, delivery: Delivery, why: str, now: datetime) -> None:
    """It will not be delivered; `why` is one sentence."""
    async with db.transaction() as connection:
        await _end_delivery(connection, delivery, DeliveryState.SKIPPED, why, now)


async def skip_first(db: Database, sink: str, office_id: str, now: datetime) -> Delivery | None:
    """Skip the first due delivery of an office to a sink; the next one carries the whole snapshot.

    Returns:
        The skipped delivery; None: none was due.
    """
    first = _select_deliveries().where(
        _delivery.sink == sink, _office.id == office_id, _delivery.state == DeliveryState.DUE.value, _IS_FIRST_DUE
    )
    async with db.transaction() as connection:
        found = (await connection.execute(first)).one_or_none()
        if found is None:
            return None
        delivery = _parse_delivery(found)
        await _end_delivery(connection, delivery, DeliveryState.SKIPPED, SKIPPED_BY_COMMAND, now)
        return delivery


async def retry(db: Database, sink: str, office_id: str | None, now: datetime) -> int:
    """Make waiting deliveries due at once, and failed or skipped ones due again unless a newer one replaced them.

    Without an office, this applies to all offices of the sink.

    Returns:
        The number of deliveries that are due now.
    """
    conditions = [_delivery.sink == sink]
    if office_id is not None:
        conditions.append(_delivery.office == select(_office.key).where(_office.id == office_id).scalar_subquery())
    given_up = _delivery.state.in_([DeliveryState.DEAD.value, DeliveryState.SKIPPED.value])
    reset_values = {
        "state": DeliveryState.DUE.value,
        "queued_at": now,
        "not_before": now,
        "attempts": 0,
        "ended_at": None,
    }
    async with db.transaction() as connection:
        await connection.execute(update(schema.delivery).where(*conditions, given_up, _IS_LATEST), reset_values)
        due = _delivery.state == DeliveryState.DUE.value
        await connection.execute(update(schema.delivery).where(*conditions, due), {"not_before": now})
        await _save_sink_state(connection, sink, SinkState())
        return await connection.scalar(select(func.count()).select_from(schema.delivery).where(*conditions, due)) or 0


async def list_deliveries(db: Database) -> list[DeliveryRow]:
    """For each sink and office: due deliveries, the last one, and those that failed since the last success.

    Ordered by sink, office and age.
    """
    shown = text(f"(delivery.state = 'due' OR {_IS_LATEST.text} OR {_IS_UNRESOLVED.text})")
    query = _select_deliveries().where(shown).order_by(_delivery.sink, _office.id, _delivery.number)
    return await db.select(query, _parse_delivery_row)


async def load_sink_states(db: Database) -> dict[str, SinkState]:
    """The consecutive failures of each sink that has any."""
    query = select(_sink.name, _sink.failures, _sink.not_before)
    return dict(await db.select(query, lambda row: (row.name, SinkState(row.failures, row.not_before))))


def _parse_next_due(row: Sequence[Any]) -> DeliveryAttempt:
    number, delivery_id, office_id, snapshot_id, queued_at, not_before, attempts, *other = row
    previous_snapshot_id, failures, sink_not_before = other
    instants = parse_instant(queued_at), parse_instant(not_before)
    delivery = Delivery(number, delivery_id, office_id, snapshot_id, *instants, attempts)
    sink_state = SinkState(failures or 0, parse_optional_instant(sink_not_before))
    return DeliveryAttempt(delivery, sink_state, previous_snapshot_id)


def _select_deliveries() -> Any:  # noqa: ANN401 - a select of eleven types
    return select(schema.delivery, _office.id).join(schema.office, _office.key == _delivery.office)


def _parse_delivery_row(row: Row[Any]) -> DeliveryRow:
    return DeliveryRow(row.sink, row.id, _parse_delivery(row), DeliveryState(row.state), row.error, row.ended_at)


def _parse_delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        number=row.number,
        delivery_id=row.delivery_id,
        office_id=row.id,
        snapshot_id=row.snapshot,
        queued_at=row.queued_at,
        not_before=row.not_before,
        attempts=row.attempts,
    )


def _update_if_due(delivery: Delivery) -> Any:  # noqa: ANN401 - SQLAlchemy's own type adds nothing
    return update(schema.delivery).where(
        _delivery.number == delivery.number, _delivery.state == DeliveryState.DUE.value
    )


async def _end_delivery(
    connection: AsyncConnection, delivery: Delivery, state: DeliveryState, why: str | None, now: datetime
) -> None:
    await connection.execute(_update_if_due(delivery), {"state": state.value, "error": why, "ended_at": now})


async def _save_sink_state(connection: AsyncConnection, sink: str, sink_state: SinkState) -> None:
    await connection.execute(delete(schema.sink).where(_sink.name == sink))
    if sink_state.failures:
        values = {"name": sink, "failures": sink_state.failures, "not_before": sink_state.not_before}
        await connection.execute(insert(schema.sink), values)
