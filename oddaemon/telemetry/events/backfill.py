"""Events of backfills. See `Event` for what a field may hold."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar

from oddaemon.telemetry.events.base import Event, Level
from oddaemon.telemetry.metrics.fleet import FleetMetrics


@dataclass(frozen=True, slots=True)
class SftpListening(Event):
    """The SFTP receiver accepts uploads; `fingerprint` is the host key's, for comparison."""

    name: ClassVar[str] = "sftp_listening"
    listen: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class BackfillRequested(Event):
    """A command requested the balances of a past day."""

    name: ClassVar[str] = "backfill_requested"
    office: str
    as_of: date
    via: str


@dataclass(frozen=True, slots=True)
class BackfillPublished(Event):
    """The balances of a past day are read, verified and stored."""

    name: ClassVar[str] = "backfill_published"
    office: str
    as_of: date
    via: str
    guarantors: int
    requests: int
    seconds: float

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.backfills.labels(self.via, "published").inc()


@dataclass(frozen=True, slots=True)
class BackfillFailed(Event):
    """A backfill attempt failed. `retry_at` None: the job has failed until a command requests it again."""

    name: ClassVar[str] = "backfill_failed"
    office: str
    as_of: date
    via: str
    reason: str
    attempt: int
    retry_at: datetime | None

    def log_level(self) -> Level:
        return Level.INFO if self.retry_at is not None else Level.ERROR

    def record_metrics(self, metrics: FleetMetrics) -> None:
        if self.retry_at is None:
            metrics.backfills.labels(self.via, "failed").inc()


@dataclass(frozen=True, slots=True)
class BackfillCrashed(Event):
    """A backfill job crashed, a bug in oddaemon. The job has failed; nothing else is affected."""

    name: ClassVar[str] = "backfill_crashed"
    level: ClassVar[Level] = Level.ERROR
    office: str
    as_of: date
    via: str
    error: str
    """The exception's type."""
    traceback: str
    """From `format_traceback`."""


@dataclass(frozen=True, slots=True)
class BackfillCancelled(Event):
    """A command cancelled the backfill of a past day."""

    name: ClassVar[str] = "backfill_cancelled"
    office: str
    as_of: date
    via: str

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.backfills.labels(self.via, "cancelled").inc()
