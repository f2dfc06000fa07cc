"""Events of a night, of an office and of the fleet, and its digest. See `Event` for what a field may hold."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Self

from oddaemon.core.model import Condition
from oddaemon.core.reporting.formatting import format_instant
from oddaemon.core.reporting.status_document import OfficeStatus
from oddaemon.telemetry.events.base import Event, Level
from oddaemon.telemetry.metrics.fleet import FleetMetrics


@dataclass(frozen=True, slots=True)
class DeadlineMissed(Event, level=Level.WARNING):
    """The office's `fresh_by` has passed without its balances. Repeated for each further night."""

    office: str
    deadline: datetime
    """Of the first missing night."""
    nights_missed: int
    """In a row, this one included."""


@dataclass(frozen=True, slots=True)
class DeadlineRecovered(Event):
    """An office that had missed its `fresh_by` has published; no night is missing any more."""

    office: str
    nights_missed: int
    """In a row."""


@dataclass(frozen=True, slots=True)
class NightComplete(Event):
    """Every office with expected balances has published them this morning."""

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
class NightMissed(Event, level=Level.ERROR):
    """The last `fresh_by` of the morning has passed, and an office with expected balances is not fresh."""

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

    night: date
    fresh: int
    late: int

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """Counts a recovered night; it stays counted as missed."""
        metrics.record_night("recovered")


@dataclass(frozen=True, slots=True)
class HeartbeatPingSent(Event):
    """The heartbeat ping of a night was acknowledged."""

    outcome: str
    """Of the night: "complete", "missed" or "recovered"."""
    attempts: int

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.pings.labels("sent").inc()


@dataclass(frozen=True, slots=True)
class HeartbeatPingFailed(Event, level=Level.WARNING):
    """The heartbeat ping of a night failed in every attempt; `reason` never contains the URL."""

    outcome: str
    attempts: int
    reason: str

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.pings.labels("failed").inc()


@dataclass(frozen=True, slots=True)
class FleetDigest(Event):
    """The fleet in the morning: counts, and which offices are not fresh and why."""

    offices: int
    fresh: int
    published: int
    """Offices with a snapshot published within the last day."""
    guarantors: int
    conditions: Mapping[str, int]
    not_fresh: tuple[Mapping[str, str | None], ...]
    """Office, condition, owner, since, reason; ordered by condition and office."""

    @classmethod
    def of_fleet(cls, offices: Sequence[OfficeStatus], now: datetime) -> Self:
        """The digest of these offices as of `now` (aware). Paused offices are not named."""
        statuses = [(office.id, office.status.evaluate_at(now)) for office in offices]
        snapshots = [office.snapshot for office in offices if office.snapshot is not None]
        counts = Counter(status.condition for _, status in statuses)
        not_fresh = [each for each in statuses if each[1].condition not in (Condition.FRESH, Condition.PAUSED)]
        return cls(
            offices=len(offices),
            fresh=counts[Condition.FRESH],
            published=sum(now - snapshot.published_at <= timedelta(days=1) for snapshot in snapshots),
            guarantors=sum(snapshot.totals.guarantors for snapshot in snapshots),
            conditions={condition.value: counts[condition] for condition in Condition if condition in counts},
            not_fresh=tuple(
                {
                    "office": office_id,
                    "condition": status.condition.value,
                    "owner": None if status.owner is None else status.owner.value,
                    "since": format_instant(status.since),
                    "reason": status.reason,
                }
                for office_id, status in sorted(not_fresh, key=lambda each: (each[1].condition, each[0]))
            ),
        )
