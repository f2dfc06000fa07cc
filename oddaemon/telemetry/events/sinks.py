"""What happens between the outbox and the sinks. See `Event` for what a field may hold."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from oddaemon.telemetry.events.base import Event, Level
from oddaemon.telemetry.metrics.fleet import FleetMetrics


@dataclass(frozen=True, slots=True)
class SinkStarted(Event):
    """The sink has a courier. `kind` is one of files, webhook, postgres, exec."""

    name: ClassVar[str] = "sink_started"
    sink: str
    kind: str

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """Its counters are there from the beginning, so that their first rise is seen."""
        for outcome in ("done", "failed", "dead", "skipped"):
            metrics.deliveries.labels(self.sink, outcome)


@dataclass(frozen=True, slots=True)
class SinkStopped(Event):
    """The sink's courier has ended; `crashed`: too often, so that a sink that is still wanted has none."""

    name: ClassVar[str] = "sink_stopped"
    sink: str
    reason: str
    crashed: bool = False

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """Nobody counts any more what waits for it; what an error of ours leaves waiting is shown on."""
        if self.crashed:
            return
        for gauge in (metrics.deliveries_pending, metrics.delivery_oldest):
            with suppress(KeyError):
                gauge.remove(self.sink)


@dataclass(frozen=True, slots=True)
class DeliverySucceeded(Event):
    """The sink has taken a snapshot, after so many refusals; `content` is "snapshot" or "changes"."""

    name: ClassVar[str] = "delivery_succeeded"
    sink: str
    office: str
    delivery_id: str
    snapshot_id: int
    content: str
    failed_attempts: int
    seconds: float
    """Of the attempt."""

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """Counts it."""
        metrics.deliveries.labels(self.sink, "done").inc()


@dataclass(frozen=True, slots=True)
class DeliveryAttemptFailed(Event):
    """The sink has not taken a snapshot, or not said so; `why` is one sentence of ours."""

    name: ClassVar[str] = "delivery_attempt_failed"
    sink: str
    office: str
    delivery_id: str
    snapshot_id: int
    attempt: int
    reason: str
    retry_at: datetime

    def log_level(self) -> Level:
        """What goes on for long is news only once."""
        return Level.WARNING if self.attempt == 1 else Level.INFO

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """Counts it."""
        metrics.deliveries.labels(self.sink, "failed").inc()


@dataclass(frozen=True, slots=True)
class DeliveryAbandoned(Event):
    """A delivery is dead: it was refused for too long, or for good. The next one carries the whole snapshot."""

    name: ClassVar[str] = "delivery_abandoned"
    level: ClassVar[Level] = Level.ERROR
    sink: str
    office: str
    delivery_id: str
    snapshot_id: int
    attempts: int
    reason: str

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """Counts it."""
        metrics.deliveries.labels(self.sink, "dead").inc()


@dataclass(frozen=True, slots=True)
class DeliverySkipped(Event):
    """A delivery will not be made, by an order or because its snapshot is no longer kept."""

    name: ClassVar[str] = "delivery_skipped"
    level: ClassVar[Level] = Level.WARNING
    sink: str
    office: str
    delivery_id: str
    snapshot_id: int
    reason: str

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """Counts it."""
        metrics.deliveries.labels(self.sink, "skipped").inc()


@dataclass(frozen=True, slots=True)
class OutboxSize(Event):
    """What waits for a sink now, and since when the oldest of it does."""

    name: ClassVar[str] = "outbox_size"
    level: ClassVar[Level] = Level.DEBUG
    sink: str
    pending: int
    oldest_at: datetime | None

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """Shows it; nothing that waits has no time stamp."""
        metrics.deliveries_pending.labels(self.sink).set(self.pending)
        if self.oldest_at is not None:
            metrics.delivery_oldest.labels(self.sink).set(self.oldest_at.timestamp())
        else:
            with suppress(KeyError):
                metrics.delivery_oldest.remove(self.sink)


@dataclass(frozen=True, slots=True)
class CourierCrashed(Event):
    """An error in oddaemon itself ended a courier; with no restarts left its sink gets nothing until a restart."""

    name: ClassVar[str] = "courier_crashed"
    level: ClassVar[Level] = Level.ERROR
    sink: str
    error: str
    restarts_left: int
    traceback: str
