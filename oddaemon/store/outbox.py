"""Queuing a snapshot for the sinks, inside the transaction that publishes it; everything else is in `deliveries`.

The outbox: one row for each sink and snapshot, written in the snapshot's own transaction.

What the courier has to know is in these rows, so it survives whatever happens to its process. A row says `done` only
after the sink has said so; whoever dies in between delivers once more, under the same `delivery_id`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
from sqlalchemy import Row, delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from oddaemon.core.delivery import Delivery, DeliveryAttempt, DeliveryState, FailedAttempt, PreviousDelivery, SinkState
from oddaemon.core.model import Balance, Reader
from oddaemon.store import schema
from oddaemon.store.database import Database
from oddaemon.store.errors import decoding_errors
from oddaemon.store.schema import format_instant
from oddaemon.store.snapshot_rows import SNAPSHOT_COLUMN_NAMES, SnapshotRow, parse_snapshot_row

RETENTION = timedelta(days=30)
"""How long it can be seen what became of a delivery."""
_DELETE_OLD = (
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
    expired_before = format_instant(at - RETENTION)
    await connection.exec_driver_sql(_DELETE_OLD, [(office_key, sink, expired_before, snapshot_id) for sink in sinks])


SKIPPED_BY_COMMAND = "Skipped by an order."

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
_SINK_QUEUE = f"""
SELECT delivery.number, delivery_id, office.id, delivery.snapshot, queued_at, delivery.not_before, attempts,
    (SELECT json_object('state', former.state, 'snapshot_id', former.snapshot) FROM delivery AS former
        WHERE former.sink = delivery.sink AND former.office = delivery.office AND former.number < delivery.number
        ORDER BY former.number DESC LIMIT 1),
    (SELECT json_array(COUNT(*), MIN(queued_at)) FROM delivery WHERE sink = ? AND state = 'due'),
    (SELECT json_object('failures', failures, 'not_before', not_before) FROM sink WHERE name = ?)
FROM (SELECT 1) LEFT JOIN delivery ON delivery.number = (
    SELECT number FROM delivery WHERE sink = ? AND state = 'due' AND {_IS_FIRST_DUE.text}
        AND office NOT IN (SELECT key FROM office WHERE id IN (SELECT value FROM json_each(?)))
    ORDER BY not_before, number LIMIT 1
) LEFT JOIN office ON office.key = delivery.office
"""  # noqa: S608 - our own text
"""All that a courier asks at each turn, in one question."""
_NEVER_DELIVERED = text(
    "SELECT office.key, MAX(snapshot.id) FROM office JOIN snapshot ON snapshot.office = office.key "
    "WHERE office.id IN (SELECT value FROM json_each(:offices)) AND NOT EXISTS "
    "(SELECT 1 FROM delivery WHERE delivery.sink = :sink AND delivery.office = office.key) GROUP BY office.key"
)
"""Offices of whom a sink has never been sent anything, with their current snapshots."""
_BALANCES = (
    f"(SELECT json_group_array(json_array({', '.join(Balance._fields)})) FROM (SELECT * FROM balance"  # noqa: S608 - our own column names
    " WHERE office = snapshot.office AND valid_from <= {0} AND (valid_to IS NULL OR valid_to > {0}) ORDER BY pat_num))"
)
_SNAPSHOT_COLUMNS = ", ".join(f"snapshot.{name}" for name in SNAPSHOT_COLUMN_NAMES)
_DELIVERY_DATA = (
    f"SELECT {_SNAPSHOT_COLUMNS}, office.name, {_BALANCES.format('snapshot.id')}, "  # noqa: S608 - the same
    f"former.aging_date, former.reader, (SELECT {_BALANCES.format('former.id')}) "
    "FROM snapshot JOIN office ON office.key = snapshot.office "
    "LEFT JOIN snapshot AS former ON former.id = ? WHERE snapshot.id = ?"
)
"""All that a delivery carries, of one instant."""
_MARK_DONE = "UPDATE delivery SET state = 'done', error = NULL, ended_at = ? WHERE number = ? AND state = 'due'"
_balances_decoder = msgspec.json.Decoder(list[Balance])


@dataclass(frozen=True, slots=True)
class SinkQueue:
    """What waits for a sink."""

    next_attempt: DeliveryAttempt | None
    """What is to be tried next: of each office's first due delivery the one that may be tried soonest, but of no office
    of which one is on its way."""
    previous: PreviousDelivery | None
    """The delivery before it, of the same office."""
    pending: int
    oldest_at: datetime | None
    """Since when the oldest of them waits."""


@dataclass(frozen=True, slots=True)
class DeliveryBase:
    """The snapshot that the consumer holds."""

    aging_date: date
    reader: Reader
    balances: list[Balance]


@dataclass(frozen=True, slots=True)
class DeliveryData:
    """What a delivery carries."""

    snapshot: SnapshotRow
    office_name: str
    balances: list[Balance]
    base: DeliveryBase | None
    """Where only changes are sent."""


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """What became of a delivery so far, for whoever asks how a sink stands."""

    sink: str
    office_id: str
    delivery: Delivery
    state: DeliveryState
    error: str | None
    ended_at: datetime | None


async def reconcile_sinks(db: Database, wanted: Mapping[str, Collection[str]], now: datetime) -> None:
    """Make the outbox fit the configuration.

    A sink or an office that is new to a sink starts with the office's current snapshot, so that a consumer is complete
    at once. What the configuration does not want delivered any more is forgotten, due or done: should it come back, it
    starts anew.

    Args:
        db: the database.
        wanted: the ids of the offices that go to each sink.
        now: the present.
    """
    async with db.transaction() as connection:
        await write_sinks(connection, wanted, now)


async def write_sinks(connection: AsyncConnection, wanted: Mapping[str, Collection[str]], now: datetime) -> None:
    """The same as part of a larger transaction."""
    await connection.execute(delete(schema.delivery).where(_delivery.sink.not_in(wanted)))
    await connection.execute(delete(schema.sink).where(_sink.name.not_in(wanted)))
    for sink, offices in wanted.items():
        office_keys = select(_office.key).where(_office.id.in_(offices))
        await connection.execute(
            delete(schema.delivery).where(_delivery.sink == sink, _delivery.office.not_in(office_keys))
        )
        names = {"sink": sink, "offices": msgspec.json.encode(list(offices)).decode()}
        for office_key, snapshot_id in (await connection.execute(_NEVER_DELIVERED, names)).all():
            await enqueue(connection, office_key, snapshot_id, [sink], now)


async def load_queue(db: Database, sink: str, in_flight: Collection[str] = ()) -> SinkQueue:
    """What waits for a sink, and what comes first.

    Args:
        db: the database.
        sink: which one.
        in_flight: the ids of the offices of which a delivery is on its way: no other of theirs comes first.
    """
    excluded = msgspec.json.encode(list(in_flight)).decode()
    ((number, *values, previous, backlog, sink_state),) = await db.fetch(_SINK_QUEUE, (sink, sink, sink, excluded))
    with decoding_errors(db.where):
        pending, oldest_at = msgspec.json.decode(backlog, type=tuple[int, datetime | None])
        if number is None:
            return SinkQueue(None, None, pending, oldest_at)
        delivery_id, office_id, snapshot_id, queued_at, not_before, attempts = values
        instants = datetime.fromisoformat(queued_at), datetime.fromisoformat(not_before)
        delivery = Delivery(number, delivery_id, office_id, snapshot_id, *instants, attempts)
        return SinkQueue(
            DeliveryAttempt(
                delivery, SinkState() if sink_state is None else msgspec.json.decode(sink_state, type=SinkState)
            ),
            None if previous is None else msgspec.json.decode(previous, type=PreviousDelivery),
            pending,
            oldest_at,
        )


async def load_delivery_data(db: Database, delivery: Delivery, base_snapshot_id: int | None) -> DeliveryData | None:
    """What a delivery carries.

    Args:
        db: the database.
        delivery: which one.
        base_snapshot_id: the snapshot that the consumer holds, if changes are wanted; if it is no longer
            kept, the whole snapshot is sent.

    Returns:
        None: its snapshot is no longer kept.
    """
    found = await db.fetch(_DELIVERY_DATA, (base_snapshot_id, delivery.snapshot_id))
    if not found:
        return None
    with decoding_errors(db.where):
        *values, office_name, balances_text, aging_date, reader, base_balances_text = found[0]
        snapshot = parse_snapshot_row(delivery.office_id, values)
        balances = _balances_decoder.decode(balances_text)
        if aging_date is None:
            return DeliveryData(snapshot, office_name, balances, None)
        delivery_base = DeliveryBase(
            date.fromisoformat(aging_date), Reader(reader), _balances_decoder.decode(base_balances_text)
        )
        return DeliveryData(snapshot, office_name, balances, delivery_base)


async def mark_done(db: Database, sink: str, attempt: DeliveryAttempt, now: datetime) -> None:
    """The sink has taken it. A row that is no longer due was skipped or forgotten meanwhile, and stays so."""
    delivery = attempt.delivery
    if not attempt.sink_state.failures:
        # What happens every time takes one call of the thread.
        await db.execute_one(_MARK_DONE, (format_instant(now), delivery.number))
        return
    async with db.transaction() as connection:
        await _end_delivery(connection, delivery, DeliveryState.DONE, None, now)
        await _save_sink_state(connection, sink, SinkState())


async def record_failure(db: Database, sink: str, failed: FailedAttempt, why: str, now: datetime) -> None:
    """The sink has not taken it, for which `why` is one sentence."""
    async with db.transaction() as connection:
        values = {"attempts": failed.delivery.attempts, "not_before": failed.delivery.not_before}
        await connection.execute(_update_if_due(failed.delivery), values)
        if failed.state is not DeliveryState.DUE:
            await _end_delivery(connection, failed.delivery, failed.state, why, now)
        else:
            await connection.execute(_update_if_due(failed.delivery), {"error": why})
        await _save_sink_state(connection, sink, failed.sink_state)


async def mark_skipped(db: Database, delivery: Delivery, why: str, now: datetime) -> None:
    """It will not be made, for which `why` is one sentence."""
    async with db.transaction() as connection:
        await _end_delivery(connection, delivery, DeliveryState.SKIPPED, why, now)


async def skip_first(db: Database, sink: str, office_id: str, now: datetime) -> Delivery | None:
    """Give up what stands first of an office's deliveries to a sink; the next one carries the whole snapshot.

    Returns:
        What was given up; None: nothing was due.
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
    """Make what waits for a sink due at once, and what was given up due again if nothing newer took its place.

    Args:
        db: the database.
        sink: which one.
        office_id: only this office's deliveries; None: all.
        now: the present.

    Returns:
        How many deliveries are due now.
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
    """Of each sink and office whatever is due, the last delivery, and what was given up since the last that was made.

    Ordered by sink, office and age.
    """
    shown = text(f"(delivery.state = 'due' OR {_IS_LATEST.text} OR {_IS_UNRESOLVED.text})")
    query = _select_deliveries().where(shown).order_by(_delivery.sink, _office.id, _delivery.number)
    async with db.read_transaction() as connection:
        with decoding_errors(db.where):
            return [
                DeliveryRow(row.sink, row.id, _parse_delivery(row), DeliveryState(row.state), row.error, row.ended_at)
                for row in (await connection.execute(query)).all()
            ]


async def load_sink_states(db: Database) -> dict[str, SinkState]:
    """How each sink has behaved lately."""
    async with db.read_transaction() as connection:
        rows = (await connection.execute(select(_sink.name, _sink.failures, _sink.not_before))).all()
        return {row.name: SinkState(row.failures, row.not_before) for row in rows}


def _select_deliveries() -> Any:  # noqa: ANN401 - a select of eleven types
    return select(schema.delivery, _office.id).join(schema.office, _office.key == _delivery.office)


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


def _update_if_due(delivery: Delivery) -> Any:  # noqa: ANN401 - SQLAlchemy's own type says nothing here
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
