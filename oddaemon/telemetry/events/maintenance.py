"""Events of maintenance, and the digest of the morning. See `Event` for what a field may hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Self

from oddaemon.core.reporting.fleet_summary import FleetSummary
from oddaemon.core.reporting.formatting import format_instant
from oddaemon.telemetry.events.base import Event, Level
from oddaemon.telemetry.metrics.fleet import FleetMetrics


@dataclass(frozen=True, slots=True)
class MaintenancePlanned(Event):
    """A job of `[maintenance]` is next due at `due_at` (None: never) and last succeeded at `succeeded_at`."""

    name: ClassVar[str] = "maintenance_planned"
    level: ClassVar[Level] = Level.DEBUG
    job: str
    due_at: datetime | None
    succeeded_at: datetime | None

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """The last success, also from before the start; 0: never."""
        at = 0.0 if self.succeeded_at is None else self.succeeded_at.timestamp()
        metrics.maintenance_last_success_timestamp.labels(self.job).set(at)


@dataclass(frozen=True, slots=True)
class MaintenanceFinished(Event):
    """A job of `[maintenance]` succeeded at `at`; `result` is one sentence."""

    name: ClassVar[str] = "maintenance_finished"
    job: str
    seconds: float
    result: str
    at: datetime

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.maintenance_last_success_timestamp.labels(self.job).set(self.at.timestamp())
        metrics.maintenance_last_run_successful.labels(self.job).set(1)


@dataclass(frozen=True, slots=True)
class MaintenanceFailed(Event):
    """A job of `[maintenance]` failed; `reason` says why and what to do. The other jobs continue."""

    name: ClassVar[str] = "maintenance_failed"
    level: ClassVar[Level] = Level.ERROR
    job: str
    seconds: float
    reason: str
    traceback: str | None
    """Only after a crash, a bug in oddaemon; None for other failures."""

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.maintenance_last_run_successful.labels(self.job).set(0)


@dataclass(frozen=True, slots=True)
class MaintenanceSkipped(Event):
    """A run of a job of `[maintenance]`, due at `due_at`, was skipped; `reason` is one sentence."""

    name: ClassVar[str] = "maintenance_skipped"
    job: str
    due_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class FleetDigest(Event):
    """The fleet in the morning: counts, and which offices are not fresh and why."""

    name: ClassVar[str] = "fleet_digest"
    offices: int
    fresh: int
    published: int
    """Offices with a snapshot published within the last day."""
    guarantors: int
    conditions: Mapping[str, int]
    not_fresh: tuple[Mapping[str, str | None], ...]
    """Office, condition, owner, since, reason."""

    @classmethod
    def from_summary(cls, summary: FleetSummary) -> Self:
        """The event of a summary."""
        return cls(
            summary.offices,
            summary.fresh,
            summary.published,
            summary.guarantors,
            {condition.value: count for condition, count in summary.conditions.items()},
            tuple(
                {
                    "office": each.office,
                    "condition": each.condition.value,
                    "owner": None if each.owner is None else each.owner.value,
                    "since": format_instant(each.since),
                    "reason": each.reason,
                }
                for each in summary.stale
            ),
        )
