"""Events of commands and of jobs, those of `[maintenance]` included. See `Event` for what a field may hold."""

from dataclasses import dataclass
from datetime import datetime

from oddaemon.telemetry.events.base import Event, Level
from oddaemon.telemetry.metrics.fleet import FleetMetrics


@dataclass(frozen=True, slots=True)
class CommandReceived(Event):
    """The control socket received a command; `response` is the sentence that it returned."""

    command: str
    """"pause", "reload" …"""
    office: str
    """"": the whole daemon."""
    uid: int | None
    """Of the user; None: the system does not report it."""
    response: str
    rejected: bool = False

    def log_level(self) -> Level:
        return Level.WARNING if self.rejected else Level.INFO


@dataclass(frozen=True, slots=True)
class JobFinished(Event):
    """A background job of a command finished; `result` is one sentence."""

    job: str
    """"vacuum", "forget bright-smiles" …"""
    seconds: float
    result: str


@dataclass(frozen=True, slots=True)
class JobFailed(Event, level=Level.ERROR):
    """A background job of a command failed; `reason` says why and what to do."""

    job: str
    seconds: float
    reason: str
    traceback: str | None
    """Only after a crash, a bug in oddaemon; None for other failures."""


@dataclass(frozen=True, slots=True)
class CommandIgnored(Event):
    """A command asked for a state that the office already has. The journal does not record it."""

    command: str
    office: str
    uid: int | None
    """Of the user; None: the system does not report it."""
    response: str


@dataclass(frozen=True, slots=True)
class MaintenancePlanned(Event, level=Level.DEBUG):
    """A job of `[maintenance]` is next due at `due_at` (None: never) and last succeeded at `succeeded_at`."""

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

    job: str
    seconds: float
    result: str
    at: datetime

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.maintenance_last_success_timestamp.labels(self.job).set(self.at.timestamp())
        metrics.maintenance_last_run_successful.labels(self.job).set(1)


@dataclass(frozen=True, slots=True)
class MaintenanceFailed(Event, level=Level.ERROR):
    """A job of `[maintenance]` failed; `reason` says why and what to do. The other jobs continue."""

    job: str
    seconds: float
    reason: str
    traceback: str | None
    """Only after a crash, a bug in oddaemon; None for other failures."""

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.maintenance_last_run_successful.labels(self.job).set(0)


@dataclass(frozen=True, slots=True)
class MaintenanceHandedOver(Event, level=Level.DEBUG):
    """Another host runs the jobs of `[maintenance]` from now on, and reports on them."""

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """What this host knows of them becomes old."""
        metrics.maintenance_last_success_timestamp.clear()
        metrics.maintenance_last_run_successful.clear()


@dataclass(frozen=True, slots=True)
class MaintenanceSkipped(Event):
    """A run of a job of `[maintenance]`, due at `due_at`, was skipped; `reason` is one sentence."""

    job: str
    due_at: datetime
    reason: str
