"""Events of a night, of one office and of the fleet. See `Event` for what a field may hold."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar

from oddaemon.telemetry.events.base import Event, Level
from oddaemon.telemetry.metrics.fleet import FleetMetrics


@dataclass(frozen=True, slots=True)
class DeadlineMissed(Event):
    """The office's `fresh_by` has passed without its balances. Repeated for each further night."""

    name: ClassVar[str] = "deadline_missed"
    level: ClassVar[Level] = Level.WARNING
    office: str
    deadline: datetime
    """Of the first missing night."""
    nights_missed: int
    """In a row, this one included."""


@dataclass(frozen=True, slots=True)
class DeadlineRecovered(Event):
    """An office that had missed its `fresh_by` has published; no night is missing any more."""

    name: ClassVar[str] = "deadline_recovered"
    office: str
    nights_missed: int
    """In a row."""


@dataclass(frozen=True, slots=True)
class NightComplete(Event):
    """Every office with expected balances has published them this morning."""

    name: ClassVar[str] = "night_complete"
    night: date
    fresh: int
    late: int
    """Published after the office's `fresh_by`."""
    blocked: int
    """Not expected: blocked since before the night began."""
    exempt: int
    """Not expected: paused, monthly, new, or without `fresh_by`."""

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.record_night("complete")


@dataclass(frozen=True, slots=True)
class NightMissed(Event):
    """The last `fresh_by` of the morning has passed, and an office with expected balances is not fresh."""

    name: ClassVar[str] = "night_missed"
    level: ClassVar[Level] = Level.ERROR
    night: date
    fresh: int
    missing: int
    offices: tuple[str, ...]
    """The first missing ones, by id."""
    blocked: int
    exempt: int

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.record_night("missed")


@dataclass(frozen=True, slots=True)
class NightRecovered(Event):
    """The balances that a missed night lacked are published."""

    name: ClassVar[str] = "night_recovered"
    night: date
    fresh: int
    late: int

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """Counts a recovered night; it stays counted as missed."""
        metrics.record_night("recovered")


@dataclass(frozen=True, slots=True)
class HeartbeatPingSent(Event):
    """The heartbeat ping of a night was acknowledged."""

    name: ClassVar[str] = "heartbeat_ping_sent"
    outcome: str
    """Of the night: "complete", "missed" or "recovered"."""
    attempts: int

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.pings.labels("sent").inc()


@dataclass(frozen=True, slots=True)
class HeartbeatPingFailed(Event):
    """The heartbeat ping of a night failed in every attempt; `reason` never contains the URL."""

    name: ClassVar[str] = "heartbeat_ping_failed"
    level: ClassVar[Level] = Level.WARNING
    outcome: str
    attempts: int
    reason: str

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.pings.labels("failed").inc()
