"""Events of deliveries. See `Event` for what a field may hold."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from oddaemon.telemetry.events.base import Event, Level
from oddaemon.telemetry.metrics.fleet import FleetMetrics


@dataclass(frozen=True, slots=True)
class SinkStarted(Event):
    """The sink has a courier. `kind` is files, webhook, postgres or exec."""

    sink: str
    kind: str

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """Creates its counters, so that their first increase is visible."""
        for outcome in ("done", "failed", "dead", "skipped"):
            metrics.deliveries.labels(self.sink, outcome)


@dataclass(frozen=True, slots=True)
class SinkStopped(Event):
    """The sink's courier has ended. `crashed`: it crashed too often and starts again later."""

    sink: str
    reason: str
    crashed: bool = False

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """Removes the gauges of its queue. After a crash they stay, because its deliveries still wait."""
        if self.crashed:
            return
        for gauge in (metrics.deliveries_pending, metrics.delivery_oldest):
            with suppress(KeyError):
                gauge.remove(self.sink)


@dataclass(frozen=True, slots=True)
class _DeliveryEvent(Event):
    """The end of one attempt or of one delivery, counted by its `outcome`."""

    outcome: ClassVar[str]
    sink: str
    office: str
    delivery_id: str
    snapshot_id: int

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.deliveries.labels(self.sink, self.outcome).inc()


@dataclass(frozen=True, slots=True)
class DeliverySucceeded(_DeliveryEvent):
    """The sink acknowledged a snapshot, after `failed_attempts`; `content` is "snapshot" or "changes"."""

    outcome: ClassVar[str] = "done"
    content: str
    failed_attempts: int
    seconds: float
    """Of this attempt."""


@dataclass(frozen=True, slots=True)
class DeliveryAttemptFailed(_DeliveryEvent):
    """The sink did not acknowledge a snapshot; `reason` is one sentence, written by oddaemon."""

    outcome: ClassVar[str] = "failed"
    attempt: int
    reason: str
    retry_at: datetime

    def log_level(self) -> Level:
        """A warning for the first attempt only."""
        return Level.WARNING if self.attempt == 1 else Level.INFO


@dataclass(frozen=True, slots=True)
class DeliveryAbandoned(_DeliveryEvent, level=Level.ERROR):
    """A delivery is dead: rejected for good, or failed for too long. The next one carries the whole snapshot."""

    outcome: ClassVar[str] = "dead"
    attempts: int
    reason: str


@dataclass(frozen=True, slots=True)
class DeliverySkipped(_DeliveryEvent, level=Level.WARNING):
    """A delivery was skipped, by a command or because its snapshot is no longer stored."""

    outcome: ClassVar[str] = "skipped"
    reason: str


@dataclass(frozen=True, slots=True)
class OutboxSize(Event, level=Level.DEBUG):
    """The number of deliveries that wait for a sink, and when the oldest was queued."""

    sink: str
    pending: int
    oldest_at: datetime | None

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """Sets both gauges; without a pending delivery the time has no series."""
        metrics.deliveries_pending.labels(self.sink).set(self.pending)
        if self.oldest_at is not None:
            metrics.delivery_oldest.labels(self.sink).set(self.oldest_at.timestamp())
        else:
            with suppress(KeyError):
                metrics.delivery_oldest.remove(self.sink)


@dataclass(frozen=True, slots=True)
class CourierCrashed(Event, level=Level.ERROR):
    """A sink's courier crashed, a bug in oddaemon. With no restarts left, it starts again after an hour or more."""

    sink: str
    error: str
    restarts_left: int
    traceback: str
