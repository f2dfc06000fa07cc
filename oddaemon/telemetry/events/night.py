"""What became of a night: of one office, and of the whole fleet. See `Event` for what a field may hold."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar

from oddaemon.telemetry.events.base import Event, Level
from oddaemon.telemetry.metrics.fleet import FleetMetrics


@dataclass(frozen=True, slots=True)
class DeadlineMissed(Event):
    """The hour of the office's `fresh_by` has passed without its balances; told again for each further night."""

    name: ClassVar[str] = "deadline_missed"
    level: ClassVar[Level] = Level.WARNING
    office: str
    deadline: datetime
    """Of the first night that is missing."""
    nights_missed: int
    """Missing in a row, this one included."""


@dataclass(frozen=True, slots=True)
class DeadlineRecovered(Event):
    """An office that had missed its `fresh_by` has published; nothing of it is missing any more."""

    name: ClassVar[str] = "deadline_recovered"
    office: str
    nights_missed: int
    """That were missed in a row."""


@dataclass(frozen=True, slots=True)
class NightComplete(Event):
    """Every office of which balances are expected this morning has published them."""

    name: ClassVar[str] = "night_complete"
    night: date
    fresh: int
    late: int
    """Those that were published after their office's `fresh_by`."""
    blocked: int
    """Not expected, because somebody had to act there before the night began."""
    exempt: int
    """Not expected: paused, monthly, new, or without `fresh_by`."""

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """Counts the night, and remembers when it was complete."""
        metrics.record_night("complete")


@dataclass(frozen=True, slots=True)
class NightMissed(Event):
    """The last `fresh_by` of the morning has passed, and not all offices of which balances are expected are fresh."""

    name: ClassVar[str] = "night_missed"
    level: ClassVar[Level] = Level.ERROR
    night: date
    fresh: int
    missing: int
    offices: tuple[str, ...]
    """The first of the missing ones, by id."""
    blocked: int
    exempt: int

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """Counts the night."""
        metrics.record_night("missed")


@dataclass(frozen=True, slots=True)
class NightRecovered(Event):
    """What a missed night lacked is there after all."""

    name: ClassVar[str] = "night_recovered"
    night: date
    fresh: int
    late: int

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """Counts it among the recovered ones, beside the missed ones."""
        metrics.record_night("recovered")


@dataclass(frozen=True, slots=True)
class HeartbeatPingSent(Event):
    """Whoever waits for a sign of life each morning has taken this one."""

    name: ClassVar[str] = "heartbeat_ping_sent"
    outcome: str
    """Of the night: "complete", "missed" or "recovered"."""
    attempts: int

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """Counts it."""
        metrics.pings.labels("sent").inc()


@dataclass(frozen=True, slots=True)
class HeartbeatPingFailed(Event):
    """The sign of life was not taken, however often it was tried; `why` names no URL."""

    name: ClassVar[str] = "heartbeat_ping_failed"
    level: ClassVar[Level] = Level.WARNING
    outcome: str
    attempts: int
    reason: str

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """Counts it."""
        metrics.pings.labels("failed").inc()
