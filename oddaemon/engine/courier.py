"""One courier a sink: takes what is due from the outbox, hands it over, and writes down what came of it.

Deliveries of different offices go side by side, as many as the sink takes at once; those of one office one by one.

All decisions are `core.delivery`. Everything is in the database before and after an attempt, so a process that dies
anywhere delivers again what it had not heard an acknowledgement of, under the same id. A courier waits for nobody but
its own sink, and nobody waits for it.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

import anyio
import anyio.abc
import anyio.to_thread

from oddaemon.core.delivery import (
    Attempt,
    Content,
    Delivery,
    DeliveryState,
    Former,
    Patience,
    Refusal,
    base_of,
    due_at,
    refused,
    room,
)
from oddaemon.core.diff import diff
from oddaemon.core.untold import left_out
from oddaemon.sinks.payload import Base, Payload, Sink, SinkRefused, SnapshotHead
from oddaemon.store import deliveries
from oddaemon.store.database import Database
from oddaemon.store.deliveries import Parcel, Queue
from oddaemon.store.errors import StoreError
from oddaemon.telemetry.event import Event
from oddaemon.telemetry.events import (
    DeliveriesCounted,
    DeliveryGivenUp,
    DeliveryMade,
    DeliveryRefused,
    DeliverySkipped,
)

SLEEP_SECONDS_MAX = 600.0
"""A sleep is measured by the monotonic clock: after this long it is asked anew what the wall clock says."""
STORE_PAUSE_SECONDS = 5.0
"""After trouble with the database, which others watch and tell."""
NOT_KEPT = "Its snapshot is no longer kept."


@dataclass(frozen=True, slots=True)
class Round:
    """What a courier's behaviour hangs on."""

    sink: str
    content: Content
    patience: Patience
    in_flight_max: int = 1
    """So many offices' deliveries at once."""


@dataclass(frozen=True, slots=True)
class Streets:
    """What all couriers share."""

    database: Database
    now: Callable[[], datetime]
    dice: random.Random
    emit: Callable[[Event], None]


class Courier:
    """Delivers to one sink."""

    def __init__(self, errand: Round, sink: Sink, streets: Streets) -> None:
        self._errand = errand
        self._sink = sink
        self._streets = streets
        self._news = anyio.Event()
        self._ending = False
        self._on_the_way = set[str]()
        """Offices."""
        self._counted: tuple[int, datetime | None] | None = None

    def look(self) -> None:
        """There may be something new to fetch, or to be tried sooner."""
        self._news.set()

    def end(self) -> None:
        """Begin no other delivery."""
        self._ending = True
        self._news.set()

    async def run(self) -> None:
        """Deliver until told to end, and what is on its way has ended; or until cancelled."""
        try:
            async with anyio.create_task_group() as tasks:
                while not self._ending:
                    self._news = anyio.Event()
                    try:
                        await self._turn(tasks)
                    except StoreError:
                        await self._rest(STORE_PAUSE_SECONDS)
        except ExceptionGroup as group:
            # One that crashed has cancelled the others; whoever reads of it looks for its own name.
            raise group.exceptions[0] from None
        finally:
            self._on_the_way.clear()
            with anyio.CancelScope(shield=True):
                await self._sink.aclose()

    async def _turn(self, tasks: anyio.abc.TaskGroup) -> None:
        queue = await deliveries.waiting(self._streets.database, self._errand.sink, self._on_the_way)
        self._count(queue)
        first = queue.first
        if first is None or len(self._on_the_way) >= room(first.standing, self._errand.in_flight_max):
            await self._news.wait()
            return
        now = self._streets.now()
        seconds = (due_at(first, now, self._errand.patience) - now).total_seconds()
        if seconds > 0:
            await self._rest(min(seconds, SLEEP_SECONDS_MAX))
        else:
            self._on_the_way.add(first.delivery.office_id)
            tasks.start_soon(self._carry, first, queue.former)

    async def _carry(self, attempt: Attempt, former: Former | None) -> None:
        try:
            await self._deliver(attempt, former)
        except StoreError:
            # What came of it is not written down: it is delivered once more, under the same id.
            await anyio.sleep(STORE_PAUSE_SECONDS)
        self._on_the_way.discard(attempt.delivery.office_id)
        self._news.set()

    async def _rest(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await self._news.wait()

    async def _deliver(self, attempt: Attempt, former: Former | None) -> None:
        delivery, database, errand = attempt.delivery, self._streets.database, self._errand
        parcel = await deliveries.parcel(database, delivery, base_of(errand.content, former))
        if parcel is None:
            await deliveries.skipped(database, delivery, NOT_KEPT, self._streets.now())
            self._tell(DeliverySkipped, delivery, why=NOT_KEPT)
            return
        payload = await anyio.to_thread.run_sync(payload_of, parcel, former)
        started = anyio.current_time()
        try:
            await self._sink.deliver(payload, delivery.delivery_id)
        except SinkRefused as error:
            await self._refused(attempt, error.refusal)
            return
        await deliveries.done(database, errand.sink, attempt, self._streets.now())
        self._tell(
            DeliveryMade,
            delivery,
            content=payload.content,
            refusals=delivery.attempts,
            seconds=anyio.current_time() - started,
        )

    async def _refused(self, attempt: Attempt, refusal: Refusal) -> None:
        now, jitter = self._streets.now(), self._streets.dice.random()
        after = refused(attempt, refusal, now, jitter, self._errand.patience)
        await deliveries.refused(self._streets.database, self._errand.sink, after, refusal.what, now)
        attempts = after.delivery.attempts
        if after.state is DeliveryState.DEAD:
            self._tell(DeliveryGivenUp, after.delivery, attempts=attempts, why=refusal.what)
        else:
            retry_at = due_at(Attempt(after.delivery, after.standing), now, self._errand.patience)
            self._tell(DeliveryRefused, after.delivery, attempt=attempts, why=refusal.what, retry_at=retry_at)

    def _count(self, queue: Queue) -> None:
        if (counted := (queue.pending, queue.oldest_at)) != self._counted:
            self._counted = counted
            self._streets.emit(DeliveriesCounted(self._errand.sink, *counted))

    def _tell(self, event: Callable[..., Event], delivery: Delivery, **more: object) -> None:
        self._streets.emit(
            event(
                sink=self._errand.sink,
                office=delivery.office_id,
                delivery_id=delivery.delivery_id,
                snapshot_id=delivery.snapshot_id,
                **more,
            )
        )


def payload_of(parcel: Parcel, former: Former | None) -> Payload:
    """What the sink is given. Takes a moment with large offices, so not on the event loop.

    Where the consumer holds what another reader told, it is given the whole: changes would be of readers, not of
    families.
    """
    row = parcel.snapshot
    untold = left_out(row.reader, parcel.balances)
    head = SnapshotHead(row.id, row.aging_date, row.observed_at, row.published_at, row.totals, untold)
    whole = Payload(row.office_id, parcel.office_name, head, parcel.balances)
    if parcel.before is None or former is None or left_out(parcel.before.reader, parcel.before.balances) != untold:
        return whole
    before, after = (
        {balance.pat_num: balance for balance in each} for each in (parcel.before.balances, parcel.balances)
    )
    base = Base(former.snapshot_id, parcel.before.aging_date)
    return replace(whole, changes=diff(before, after), base=base)
