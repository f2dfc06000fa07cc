"""The outbox: one row for each sink and snapshot, written in the snapshot's own transaction.

What the courier has to know is in these rows, so it survives whatever happens to its process. A row says `done` only
after the sink has said so; whoever dies in between delivers once more, under the same `delivery_id`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import msgspec
from sqlalchemy import Row, delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from oddaemon.core.delivery import Attempt, Delivery, DeliveryState, Former, Refused, SinkStanding
from oddaemon.core.model import Balance, Reader
from oddaemon.store import schema
from oddaemon.store.database import Database
from oddaemon.store.errors import legible
from oddaemon.store.outbox import enqueue
from oddaemon.store.schema import instant_text
from oddaemon.store.snapshot_row import SNAPSHOT_NAMES, SnapshotRow, snapshot_row_of_texts

BY_ORDER = "Skipped by an order."

_delivery, _office, _sink = schema.delivery.c, schema.office.c, schema.sink.c

_FIRST = text(
    "NOT EXISTS (SELECT 1 FROM delivery AS earlier WHERE earlier.sink = delivery.sink "
    "AND earlier.office = delivery.office AND earlier.state = 'due' AND earlier.number < delivery.number)"
)
_LAST = text(
    "NOT EXISTS (SELECT 1 FROM delivery AS later WHERE later.sink = delivery.sink "
    "AND later.office = delivery.office AND later.number > delivery.number)"
)
_NOT_MADE_GOOD = text(
    "delivery.state = 'dead' AND NOT EXISTS (SELECT 1 FROM delivery AS later WHERE later.sink = delivery.sink "
    "AND later.office = delivery.office AND later.number > delivery.number AND later.state = 'done')"
)
_WAITING = f"""
SELECT delivery.number, delivery_id, office.id, delivery.snapshot, queued_at, delivery.not_before, attempts,
    (SELECT json_object('state', former.state, 'snapshot_id', former.snapshot) FROM delivery AS former
        WHERE former.sink = delivery.sink AND former.office = delivery.office AND former.number < delivery.number
        ORDER BY former.number DESC LIMIT 1),
    (SELECT json_array(COUNT(*), MIN(queued_at)) FROM delivery WHERE sink = ? AND state = 'due'),
    (SELECT json_object('failures', failures, 'not_before', not_before) FROM sink WHERE name = ?)
FROM (SELECT 1) LEFT JOIN delivery ON delivery.number = (
    SELECT number FROM delivery WHERE sink = ? AND state = 'due' AND {_FIRST.text}
        AND office NOT IN (SELECT key FROM office WHERE id IN (SELECT value FROM json_each(?)))
    ORDER BY not_before, number LIMIT 1
) LEFT JOIN office ON office.key = delivery.office
"""  # noqa: S608 - our own text
"""All that a courier asks at each turn, in one question."""
_UNSERVED = text(
    "SELECT office.key, MAX(snapshot.id) FROM office JOIN snapshot ON snapshot.office = office.key "
    "WHERE office.id IN (SELECT value FROM json_each(:offices)) AND NOT EXISTS "
    "(SELECT 1 FROM delivery WHERE delivery.sink = :sink AND delivery.office = office.key) GROUP BY office.key"
)
"""Offices of whom a sink has never been sent anything, with their current snapshots."""
_BALANCES = (
    f"(SELECT json_group_array(json_array({', '.join(Balance._fields)})) FROM (SELECT * FROM balance"  # noqa: S608 - our own column names
    " WHERE office = snapshot.office AND valid_from <= {0} AND (valid_to IS NULL OR valid_to > {0}) ORDER BY pat_num))"
)
_HEAD = ", ".join(f"snapshot.{name}" for name in SNAPSHOT_NAMES)
_PARCEL = (
    f"SELECT {_HEAD}, office.name, {_BALANCES.format('snapshot.id')}, "  # noqa: S608 - the same
    f"former.aging_date, former.reader, (SELECT {_BALANCES.format('former.id')}) "
    "FROM snapshot JOIN office ON office.key = snapshot.office "
    "LEFT JOIN snapshot AS former ON former.id = ? WHERE snapshot.id = ?"
)
"""All that a delivery carries, of one instant."""
_DONE = "UPDATE delivery SET state = 'done', error = NULL, ended_at = ? WHERE number = ? AND state = 'due'"
_decoder = msgspec.json.Decoder(list[Balance])


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits for a sink."""

    first: Attempt | None
    """What is to be tried next: of each office's first due delivery the one that may be tried soonest, but of no office
    of which one is on its way."""
    former: Former | None
    """The delivery before it, of the same office."""
    pending: int
    oldest_at: datetime | None
    """Since when the oldest of them waits."""


@dataclass(frozen=True, slots=True)
class Before:
    """The snapshot that the consumer holds."""

    aging_date: date
    reader: Reader
    balances: list[Balance]


@dataclass(frozen=True, slots=True)
class Parcel:
    """What a delivery carries."""

    snapshot: SnapshotRow
    office_name: str
    balances: list[Balance]
    before: Before | None
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


async def align(db: Database, wanted: Mapping[str, Collection[str]], now: datetime) -> None:
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
        await write_aligned(connection, wanted, now)


async def write_aligned(connection: AsyncConnection, wanted: Mapping[str, Collection[str]], now: datetime) -> None:
    """The same as part of a larger transaction."""
    await connection.execute(delete(schema.delivery).where(_delivery.sink.not_in(wanted)))
    await connection.execute(delete(schema.sink).where(_sink.name.not_in(wanted)))
    for sink, offices in wanted.items():
        here = select(_office.key).where(_office.id.in_(offices))
        await connection.execute(delete(schema.delivery).where(_delivery.sink == sink, _delivery.office.not_in(here)))
        names = {"sink": sink, "offices": msgspec.json.encode(list(offices)).decode()}
        for office_key, snapshot_id in (await connection.execute(_UNSERVED, names)).all():
            await enqueue(connection, office_key, snapshot_id, [sink], now)


async def waiting(db: Database, sink: str, on_the_way: Collection[str] = ()) -> Queue:
    """What waits for a sink, and what comes first.

    Args:
        db: the database.
        sink: which one.
        on_the_way: the ids of the offices of which a delivery is on its way: no other of theirs comes first.
    """
    passed = msgspec.json.encode(list(on_the_way)).decode()
    ((number, *values, former, backlog, standing),) = await db.one_answer(_WAITING, (sink, sink, sink, passed))
    with legible(db.path):
        pending, oldest_at = msgspec.json.decode(backlog, type=tuple[int, datetime | None])
        if number is None:
            return Queue(None, None, pending, oldest_at)
        delivery_id, office_id, snapshot_id, queued_at, not_before, attempts = values
        instants = datetime.fromisoformat(queued_at), datetime.fromisoformat(not_before)
        delivery = Delivery(number, delivery_id, office_id, snapshot_id, *instants, attempts)
        return Queue(
            Attempt(delivery, SinkStanding() if standing is None else msgspec.json.decode(standing, type=SinkStanding)),
            None if former is None else msgspec.json.decode(former, type=Former),
            pending,
            oldest_at,
        )


async def parcel(db: Database, delivery: Delivery, base: int | None) -> Parcel | None:
    """What a delivery carries.

    Args:
        db: the database.
        delivery: which one.
        base: the snapshot that the consumer holds, if it is to be sent the changes since then; if that is no longer
            kept, the whole snapshot is sent.

    Returns:
        None: its snapshot is no longer kept.
    """
    found = await db.one_answer(_PARCEL, (base, delivery.snapshot_id))
    if not found:
        return None
    with legible(db.path):
        *values, office_name, text, aging_date, reader, former = found[0]
        snapshot = snapshot_row_of_texts(delivery.office_id, values)
        balances = _decoder.decode(text)
        if aging_date is None:
            return Parcel(snapshot, office_name, balances, None)
        before = Before(date.fromisoformat(aging_date), Reader(reader), _decoder.decode(former))
        return Parcel(snapshot, office_name, balances, before)


async def done(db: Database, sink: str, attempt: Attempt, now: datetime) -> None:
    """The sink has taken it. A row that is no longer due was skipped or forgotten meanwhile, and stays so."""
    delivery = attempt.delivery
    if not attempt.standing.failures:
        # What happens every time takes one call of the thread.
        await db.one_statement(_DONE, (instant_text(now), delivery.number))
        return
    async with db.transaction() as connection:
        await _end(connection, delivery, DeliveryState.DONE, None, now)
        await _stand(connection, sink, SinkStanding())


async def refused(db: Database, sink: str, after: Refused, why: str, now: datetime) -> None:
    """The sink has not taken it, for which `why` is one sentence."""
    async with db.transaction() as connection:
        values = {"attempts": after.delivery.attempts, "not_before": after.delivery.not_before}
        await connection.execute(_still_due(after.delivery), values)
        if after.state is not DeliveryState.DUE:
            await _end(connection, after.delivery, after.state, why, now)
        else:
            await connection.execute(_still_due(after.delivery), {"error": why})
        await _stand(connection, sink, after.standing)


async def skipped(db: Database, delivery: Delivery, why: str, now: datetime) -> None:
    """It will not be made, for which `why` is one sentence."""
    async with db.transaction() as connection:
        await _end(connection, delivery, DeliveryState.SKIPPED, why, now)


async def skip_first(db: Database, sink: str, office_id: str, now: datetime) -> Delivery | None:
    """Give up what stands first of an office's deliveries to a sink; the next one carries the whole snapshot.

    Returns:
        What was given up; None: nothing was due.
    """
    first = _deliveries().where(
        _delivery.sink == sink, _office.id == office_id, _delivery.state == DeliveryState.DUE.value, _FIRST
    )
    async with db.transaction() as connection:
        found = (await connection.execute(first)).one_or_none()
        if found is None:
            return None
        delivery = _as_delivery(found)
        await _end(connection, delivery, DeliveryState.SKIPPED, BY_ORDER, now)
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
    mine = [_delivery.sink == sink]
    if office_id is not None:
        mine.append(_delivery.office == select(_office.key).where(_office.id == office_id).scalar_subquery())
    given_up = _delivery.state.in_([DeliveryState.DEAD.value, DeliveryState.SKIPPED.value])
    again = {"state": DeliveryState.DUE.value, "queued_at": now, "not_before": now, "attempts": 0, "ended_at": None}
    async with db.transaction() as connection:
        await connection.execute(update(schema.delivery).where(*mine, given_up, _LAST), again)
        due = _delivery.state == DeliveryState.DUE.value
        await connection.execute(update(schema.delivery).where(*mine, due), {"not_before": now})
        await _stand(connection, sink, SinkStanding())
        return await connection.scalar(select(func.count()).select_from(schema.delivery).where(*mine, due)) or 0


async def overview(db: Database) -> list[DeliveryRow]:
    """Of each sink and office whatever is due, the last delivery, and what was given up since the last that was made.

    Ordered by sink, office and age.
    """
    shown = text(f"(delivery.state = 'due' OR {_LAST.text} OR {_NOT_MADE_GOOD.text})")
    query = _deliveries().where(shown).order_by(_delivery.sink, _office.id, _delivery.number)
    async with db.reading() as connection:
        with legible(db.path):
            return [
                DeliveryRow(row.sink, row.id, _as_delivery(row), DeliveryState(row.state), row.error, row.ended_at)
                for row in (await connection.execute(query)).all()
            ]


async def standings(db: Database) -> dict[str, SinkStanding]:
    """How each sink has behaved lately."""
    async with db.reading() as connection:
        rows = (await connection.execute(select(_sink.name, _sink.failures, _sink.not_before))).all()
        return {row.name: SinkStanding(row.failures, row.not_before) for row in rows}


def _deliveries() -> Any:  # noqa: ANN401 - a select of eleven types
    return select(schema.delivery, _office.id).join(schema.office, _office.key == _delivery.office)


def _as_delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        number=row.number,
        delivery_id=row.delivery_id,
        office_id=row.id,
        snapshot_id=row.snapshot,
        queued_at=row.queued_at,
        not_before=row.not_before,
        attempts=row.attempts,
    )


def _still_due(delivery: Delivery) -> Any:  # noqa: ANN401 - SQLAlchemy's own type says nothing here
    return update(schema.delivery).where(
        _delivery.number == delivery.number, _delivery.state == DeliveryState.DUE.value
    )


async def _end(
    connection: AsyncConnection, delivery: Delivery, state: DeliveryState, why: str | None, now: datetime
) -> None:
    await connection.execute(_still_due(delivery), {"state": state.value, "error": why, "ended_at": now})


async def _stand(connection: AsyncConnection, sink: str, standing: SinkStanding) -> None:
    await connection.execute(delete(schema.sink).where(_sink.name == sink))
    if standing.failures:
        values = {"name": sink, "failures": standing.failures, "not_before": standing.not_before}
        await connection.execute(insert(schema.sink), values)
