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

    name: ClassVar[str] = "sink_started"
    sink: str
    kind: str

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """Creates its counters, so that their first increase is visible."""
        for outcome in ("done", "failed", "dead", "skipped"):
            metrics.deliveries.labels(self.sink, outcome)


@dataclass(frozen=True, slots=True)
class SinkStopped(Event):
    """The sink's courier has ended. `crashed`: it crashed too often, so a wanted sink has no courier."""

    name: ClassVar[str] = "sink_stopped"
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
class DeliverySucceeded(Event):
    """The sink acknowledged a snapshot, after `failed_attempts`; `content` is "snapshot" or "changes"."""

    name: ClassVar[str] = "delivery_succeeded"
    sink: str
    office: str
    delivery_id: str
    snapshot_id: int
    content: str
    failed_attempts: int
    seconds: float
    """Of this attempt."""

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.deliveries.labels(self.sink, "done").inc()


@dataclass(frozen=True, slots=True)
class DeliveryAttemptFailed(Event):
    """The sink did not acknowledge a snapshot; `reason` is one sentence, written by oddaemon."""

    name: ClassVar[str] = "delivery_attempt_failed"
    sink: str
    office: str
    delivery_id: str
    snapshot_id: int
    attempt: int
    reason: str
    retry_at: datetime

    def log_level(self) -> Level:
        """A warning for the first attempt only."""
        return Level.WARNING if self.attempt == 1 else Level.INFO

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.deliveries.labels(self.sink, "failed").inc()


@dataclass(frozen=True, slots=True)
class DeliveryAbandoned(Event):
    """A delivery is dead: rejected for good, or failed for too long. The next one carries the whole snapshot."""

    name: ClassVar[str] = "delivery_abandoned"
    level: ClassVar[Level] = Level.ERROR
    sink: str
    office: str
    delivery_id: str
    snapshot_id: int
    attempts: int
    reason: str

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.deliveries.labels(self.sink, "dead").inc()


@dataclass(frozen=True, slots=True)
class DeliverySkipped(Event):
    """A delivery was skipped, by a command or because its snapshot is no longer stored."""

    name: ClassVar[str] = "delivery_skipped"
    level: ClassVar[Level] = Level.WARNING
    sink: str
    office: str
    delivery_id: str
    snapshot_id: int
    reason: str

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.deliveries.labels(self.sink, "skipped").inc()


@dataclass(frozen=True, slots=True)
class OutboxSize(Event):
    """The number of deliveries that wait for a sink, and when the oldest was queued."""

    name: ClassVar[str] = "outbox_size"
    level: ClassVar[Level] = Level.DEBUG
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
class CourierCrashed(Event):
    """A sink's courier crashed, a bug in oddaemon. With no restarts left, the sink receives nothing until a restart."""

    name: ClassVar[str] = "courier_crashed"
    level: ClassVar[Level] = Level.ERROR
    sink: str
    error: str
    restarts_left: int
    traceback: str
