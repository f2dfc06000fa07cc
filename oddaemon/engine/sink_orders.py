"""Orders about sinks: carried out in the outbox, by the daemon, or by a command where there is none."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from oddaemon.engine.couriers import Couriers
from oddaemon.engine.orders import CONFLICT, NOT_FOUND, Desk
from oddaemon.settings.problem import did_you_mean
from oddaemon.store import deliveries
from oddaemon.store.database import Database
from oddaemon.store.errors import StoreError
from oddaemon.telemetry.event import Event
from oddaemon.telemetry.events import DeliverySkipped
from oddaemon.web.control import OrderRefused
from oddaemon.web.delivering import SinkOrders

Document = Mapping[str, Any]


def require_known(sink: str, names: Iterable[str]) -> None:
    """See that a sink is configured.

    Raises:
        OrderRefused: it is not.
    """
    known = list(names)
    if sink not in known:
        advice = did_you_mean(sink, known).capitalize() or "`oddaemon sink status` lists them all."
        raise OrderRefused(NOT_FOUND, f"No sink {sink!r} is configured.", advice)


async def retry(database: Database, sink: str, office: str | None, now: datetime) -> Document:
    """Make due at once what waits for a sink, and what was given up if nothing newer took its place.

    Raises:
        OrderRefused: there is nothing of the kind.
        StoreError: the database cannot be written.
    """
    due = await deliveries.retry(database, sink, office, now)
    of = f"{sink} for {office}" if office else sink
    if not due:
        raise OrderRefused(CONFLICT, f"Nothing waits for {of}.", "`oddaemon sink status` shows how it stands.")
    outcome = f"{due:,} {'delivery is' if due == 1 else 'deliveries are'} due now to {of}."
    return {"sink": sink, "office": office, "due": due, "outcome": outcome}


async def skip(
    database: Database, sink: str, office: str | None, now: datetime, emit: Callable[[Event], None] | None = None
) -> Document:
    """Give up the first delivery of an office to a sink.

    Raises:
        OrderRefused: nothing is due, or no office is named.
        StoreError: the database cannot be written.
    """
    if office is None:
        raise OrderRefused(CONFLICT, "One office's delivery is skipped at a time.", "Name the office.")
    skipped = await deliveries.skip_first(database, sink, office, now)
    if skipped is None:
        advice = "`oddaemon sink status` shows what waits."
        raise OrderRefused(CONFLICT, f"Nothing waits for {sink} for {office}.", advice)
    if emit is not None:
        emit(DeliverySkipped(sink, office, skipped.delivery_id, skipped.snapshot_id, deliveries.BY_ORDER))
    outcome = f"Snapshot {skipped.snapshot_id} of {office} is not delivered to {sink}; the next one goes there whole."
    return {"sink": sink, "office": office, "delivery_id": skipped.delivery_id, "outcome": outcome}


@dataclass(frozen=True, slots=True)
class SinkDesk:
    """Takes the orders of one daemon."""

    desk: Desk
    couriers: Couriers
    database: Database
    now: Callable[[], datetime]
    emit: Callable[[Event], None]

    @property
    def orders(self) -> SinkOrders:
        """All that can be ordered."""
        return SinkOrders(self.retry, self.skip)

    async def retry(self, sink: str, office: str | None, uid: int | None) -> Document:
        """As the function of this name; the sink's courier looks at once."""
        with self._recorded("sink retry", sink, office, uid) as told:
            done = await retry(self.database, sink, office, self.now())
            self.couriers.look((sink,))
            told(done["outcome"])
            return done

    async def skip(self, sink: str, office: str | None, uid: int | None) -> Document:
        """As the function of this name; the sink's courier looks at once."""
        with self._recorded("sink skip", sink, office, uid) as told:
            done = await skip(self.database, sink, office, self.now(), self.emit)
            self.couriers.look((sink,))
            told(done["outcome"])
            return done

    @contextmanager
    def _recorded(self, order: str, sink: str, office: str | None, uid: int | None) -> Iterator[Callable[[str], str]]:
        with self.desk.recorded(order, office or "", uid) as told:
            require_known(sink, self.couriers.names)
            try:
                yield told
            except StoreError as error:
                raise OrderRefused(CONFLICT, error.what, error.advice) from None
