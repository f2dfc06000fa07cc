"""Events of backfills. See `Event` for what a field may hold."""

from dataclasses import dataclass
from datetime import date, datetime

from oddaemon.telemetry.events.base import Event, Level
from oddaemon.telemetry.metrics.fleet import FleetMetrics


@dataclass(frozen=True, slots=True)
class SftpListening(Event):
    """The SFTP receiver accepts uploads; `fingerprint` is the host key's, for comparison."""

    listen: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class _BackfillEvent(Event):
    """One office as of one day, and how it is read."""

    office: str
    as_of: date
    via: str


@dataclass(frozen=True, slots=True)
class BackfillRequested(_BackfillEvent):
    """A command requested the balances of a past day."""


@dataclass(frozen=True, slots=True)
class BackfillPublished(_BackfillEvent):
    """The balances of a past day are read, verified and stored."""

    guarantors: int
    requests: int
    seconds: float

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.backfills.labels(self.via, "published").inc()


@dataclass(frozen=True, slots=True)
class BackfillFailed(_BackfillEvent):
    """A backfill attempt failed. `retry_at` None: the job has failed until a command requests it again."""

    reason: str
    attempt: int
    retry_at: datetime | None

    def log_level(self) -> Level:
        return Level.INFO if self.retry_at is not None else Level.ERROR

    def record_metrics(self, metrics: FleetMetrics) -> None:
        if self.retry_at is None:
            metrics.backfills.labels(self.via, "failed").inc()


@dataclass(frozen=True, slots=True)
class BackfillCrashed(_BackfillEvent, level=Level.ERROR):
    """A backfill job crashed, a bug in oddaemon. The job has failed; nothing else is affected."""

    error: str
    """The exception's type."""
    traceback: str
    """From `format_traceback`."""


@dataclass(frozen=True, slots=True)
class BackfillCancelled(_BackfillEvent):
    """A command cancelled the backfill of a past day."""

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.backfills.labels(self.via, "cancelled").inc()
