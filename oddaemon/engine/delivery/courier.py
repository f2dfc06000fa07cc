"""The courier of a sink: takes due deliveries from the outbox, delivers them, and records the results.

Deliveries of different offices run in parallel, up to the sink's limit; those of one office run in order.

`core.delivery` makes all decisions. The database is up to date before and after each attempt, so after a crash every
delivery that was not acknowledged is delivered again under the same id. Couriers do not wait for each other.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import anyio
import anyio.abc
import anyio.to_thread

from oddaemon.core.delivery import (
    Content,
    Delivery,
    DeliveryAttempt,
    DeliveryFailure,
    DeliveryState,
    compute_attempt_at,
    fail_attempt,
    get_max_in_flight,
)
from oddaemon.core.failures.failure import FailureKind
from oddaemon.core.failures.origin import EXHAUSTED
from oddaemon.core.office.status import to_sentence
from oddaemon.engine.context import EngineContext
from oddaemon.engine.delivery.acknowledgements import Acknowledgements
from oddaemon.engine.tasks import run_guarded
from oddaemon.http_client.host_errors import find_host_failure
from oddaemon.settings import SinkSettings
from oddaemon.sinks.payload import DeliveryFailed, Sink
from oddaemon.store import outbox
from oddaemon.store.errors import StoreError
from oddaemon.store.outbox import SinkBacklog
from oddaemon.store.payloads import load_payload
from oddaemon.telemetry.events import (
    DeliveryAbandoned,
    DeliveryAttemptFailed,
    DeliverySkipped,
    DeliverySucceeded,
    OutboxSize,
    PeerErrorUnforeseen,
)
from oddaemon.telemetry.events.base import Event
from oddaemon.telemetry.logging.traceback import format_traceback

SLEEP_SECONDS_MAX = 600.0
"""A sleep is measured by the monotonic clock; after this long the wall clock is read again."""
SHARED_SLEEP_SECONDS_MAX = 2.0
"""Another host may publish at any moment, and has no way to wake this courier."""
STORE_PAUSE_SECONDS = 5.0
"""After a failure of the database, which `StoreHealth` reports."""
BACKLOG_SECONDS = 1.0
"""How often the backlog is counted while deliveries start: it takes the longer the more there is."""
NOT_RETAINED = "The snapshot is no longer retained."


class Courier:
    """Delivers to one sink."""

    def __init__(self, settings: SinkSettings, sink: Sink, context: EngineContext) -> None:
        self._settings = settings
        self._name = settings.name
        self._sink = sink
        self._context = context
        self._wakeup = anyio.Event()
        self._draining = False
        self._in_flight = set[str]()
        """Offices."""
        self._backlog: SinkBacklog | None = None
        self._counted_at = -math.inf
        """By the monotonic clock."""
        self._acknowledgements = Acknowledgements(context, settings.name)
        self._is_shared = context.holder.is_shared

    @property
    def is_idle(self) -> bool:
        """Whether no delivery is in flight."""
        return not self._in_flight

    def notify(self) -> None:
        """There may be new deliveries, or some to try sooner."""
        self._wakeup.set()

    def drain(self) -> None:
        """Start no more deliveries."""
        self._draining = True
        self._wakeup.set()

    async def run(self) -> None:
        """Deliver until drained and all deliveries in flight have ended, or until cancelled."""
        try:
            async with anyio.create_task_group() as tasks:
                while not self._draining:
                    self._wakeup = anyio.Event()
                    try:
                        await self._start_due(tasks)
                    except StoreError:
                        await self._sleep(STORE_PAUSE_SECONDS)
        except ExceptionGroup as group:  # a crashed delivery cancels the others: report its own exception
            raise group.exceptions[0] from None
        finally:
            self._in_flight.clear()
            with anyio.CancelScope(shield=True):
                if (error := await run_guarded(self._sink.aclose)) is not None:
                    self._report_unforeseen(error)

    async def _start_due(self, tasks: anyio.abc.TaskGroup) -> None:
        """Start what is due, as far as there is room; if nothing is, wait until there may be."""
        in_flight_max = self._settings.get_in_flight_max()
        room = in_flight_max - len(self._in_flight)
        attempts = await outbox.load_next(self._context.database, self._name, self._in_flight, room) if room > 0 else []
        now, wait_seconds, started = self._context.now(), SHARED_SLEEP_SECONDS_MAX if self._is_shared else math.inf, 0
        for attempt in attempts:
            if len(self._in_flight) >= get_max_in_flight(attempt.sink_state, in_flight_max):
                break
            seconds = (compute_attempt_at(attempt, now, self._settings.retry_policy) - now).total_seconds()
            if seconds > 0:
                wait_seconds = min(seconds, wait_seconds, SLEEP_SECONDS_MAX)
                break
            self._in_flight.add(attempt.delivery.office_id)
            tasks.start_soon(self._run_attempt, attempt)
            started += 1
        if anyio.current_time() - self._counted_at >= BACKLOG_SECONDS or not (started or room <= 0):
            await self._count_backlog()
        if not started:
            await self._sleep(wait_seconds)

    async def _run_attempt(self, attempt: DeliveryAttempt) -> None:
        try:
            await self._deliver(attempt)
        except StoreError:
            # The result was not recorded: the snapshot is delivered again under the same id.
            await anyio.sleep(STORE_PAUSE_SECONDS)
        self._in_flight.discard(attempt.delivery.office_id)
        self._wakeup.set()

    async def _sleep(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await self._wakeup.wait()

    async def _deliver(self, attempt: DeliveryAttempt) -> None:
        delivery, database = attempt.delivery, self._context.database
        sends_changes = self._settings.get_content() is Content.CHANGES
        payload = await load_payload(database, delivery, attempt.previous_snapshot_id if sends_changes else None)
        if payload is None:
            await outbox.mark_skipped(database, delivery, NOT_RETAINED, self._context.now())
            self._emit_event(DeliverySkipped, delivery, reason=NOT_RETAINED)
            return
        started = anyio.current_time()
        error = await run_guarded(partial(self._sink.deliver, payload, delivery.delivery_id))
        if error is not None:
            await self._record_failure(attempt, self._describe_failure(error))
            return
        await self._acknowledgements.record(attempt)
        self._emit_event(
            DeliverySucceeded,
            delivery,
            content=payload.content,
            failed_attempts=delivery.attempts,
            seconds=anyio.current_time() - started,
        )

    def _describe_failure(self, error: Exception) -> DeliveryFailure:
        """A failed delivery is retried with back-off, whatever the sink raised over its receiver."""
        if (host_failure := find_host_failure(error)) is not None and host_failure.kind in EXHAUSTED:
            if host_failure.kind is FailureKind.DISK_FULL and isinstance(error, DeliveryFailed):
                return replace(error.error, is_ours=True)  # the sink names the disk
            reason = (
                f"{to_sentence(host_failure.kind.meaning)} The receiver is not at fault. {host_failure.kind.advice}"
            )
            return DeliveryFailure(reason, is_ours=True)
        if isinstance(error, DeliveryFailed):
            return error.error
        self._report_unforeseen(error)
        reason = f"The delivery failed with an unforeseen error ({type(error).__name__})."
        return DeliveryFailure(f"{reason} The event `peer_error_unforeseen` of the log has its traceback.")

    def _report_unforeseen(self, error: Exception) -> None:
        place = f"sink {self._name}"
        self._context.emit(PeerErrorUnforeseen(place, type(error).__name__, format_traceback(error)))

    async def _record_failure(self, attempt: DeliveryAttempt, failure: DeliveryFailure) -> None:
        now, jitter = self._context.now(), self._context.rng.random()
        after = fail_attempt(attempt, failure, now, jitter, self._settings.retry_policy)
        await outbox.record_failure(self._context.database, self._name, after, failure.reason, now)
        attempts = after.delivery.attempts
        if after.state is DeliveryState.DEAD:
            self._emit_event(DeliveryAbandoned, after.delivery, attempts=attempts, reason=failure.reason)
        else:
            retry_at = compute_attempt_at(
                DeliveryAttempt(after.delivery, after.sink_state), now, self._settings.retry_policy
            )
            self._emit_event(
                DeliveryAttemptFailed, after.delivery, attempt=attempts, reason=failure.reason, retry_at=retry_at
            )

    async def _count_backlog(self) -> None:
        backlog = await outbox.load_backlog(self._context.database, self._name)
        self._counted_at = anyio.current_time()
        if backlog != self._backlog:
            self._backlog = backlog
            self._context.emit(OutboxSize(self._name, backlog.pending, backlog.oldest_at))

    def _emit_event(self, event: Callable[..., Event], delivery: Delivery, **fields: object) -> None:
        self._context.emit(
            event(
                sink=self._name,
                office=delivery.office_id,
                delivery_id=delivery.delivery_id,
                snapshot_id=delivery.snapshot_id,
                **fields,
            )
        )
