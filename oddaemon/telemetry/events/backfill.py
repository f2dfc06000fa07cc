"""What happens to orders to read past days. See `Event` for what a field may hold."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar

from oddaemon.telemetry.events.base import Event, Level
from oddaemon.telemetry.metrics.fleet import FleetMetrics


@dataclass(frozen=True, slots=True)
class SftpListening(Event):
    """Offices can upload; `fingerprint` is the host key's, for whoever wants to compare it."""

    name: ClassVar[str] = "sftp_listening"
    listen: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class BackfillRequested(Event):
    """Somebody wants an office's balances as of a past day."""

    name: ClassVar[str] = "backfill_requested"
    office: str
    as_of: date
    via: str


@dataclass(frozen=True, slots=True)
class BackfillPublished(Event):
    """Balances as of a past day are read, proved and stored."""

    name: ClassVar[str] = "backfill_published"
    office: str
    as_of: date
    via: str
    guarantors: int
    requests: int
    seconds: float

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """Counts it."""
        metrics.backfills.labels(self.via, "published").inc()


@dataclass(frozen=True, slots=True)
class BackfillFailed(Event):
    """An order to read a past day met something; `retry_at` None: it is given up until somebody gives it again."""

    name: ClassVar[str] = "backfill_failed"
    office: str
    as_of: date
    via: str
    reason: str
    attempt: int
    retry_at: datetime | None

    def log_level(self) -> Level:
        """Louder when it is over."""
        return Level.INFO if self.retry_at is not None else Level.ERROR

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """Counts the orders that are given up."""
        if self.retry_at is None:
            metrics.backfills.labels(self.via, "failed").inc()


@dataclass(frozen=True, slots=True)
class BackfillCrashed(Event):
    """An error in oddaemon itself ended an order to read a past day; it is given up, and nothing else noticed."""

    name: ClassVar[str] = "backfill_crashed"
    level: ClassVar[Level] = Level.ERROR
    office: str
    as_of: date
    via: str
    error: str
    """The exception's type."""
    traceback: str
    """As `crash.describe` gives it."""


@dataclass(frozen=True, slots=True)
class BackfillCancelled(Event):
    """Somebody does not want an office's balances as of a past day any more."""

    name: ClassVar[str] = "backfill_cancelled"
    office: str
    as_of: date
    via: str

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """Counts it."""
        metrics.backfills.labels(self.via, "cancelled").inc()
