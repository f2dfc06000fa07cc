"""Events of one office. See `Event` for what a field may hold."""

from dataclasses import dataclass
from datetime import date, datetime

from oddaemon.core.failures.failure import FailureKind
from oddaemon.core.model import Condition, Owner, Reader
from oddaemon.telemetry.events.base import Event, Level
from oddaemon.telemetry.metrics.fleet import FleetMetrics

ALARMING_CONDITIONS = frozenset({Condition.LATE, Condition.UNREACHABLE, Condition.BLOCKED, Condition.SUSPECT})


@dataclass(frozen=True, slots=True)
class OfficeStarted(Event):
    """The office has a worker."""

    office: str
    is_shared: bool = False
    """Whether all offices start because the daemon does, which `daemon_ready` reports."""

    def log_level(self) -> Level:
        return Level.DEBUG if self.is_shared else self.level

    def journal_level(self) -> Level:
        return self.level


@dataclass(frozen=True, slots=True)
class OfficeStopped(Event):
    """The office's worker has ended, for `reason`."""

    office: str
    reason: str
    is_shared: bool = False
    """Whether all offices stop because the daemon does, which `daemon_stopped` reports."""

    def log_level(self) -> Level:
        return Level.DEBUG if self.is_shared else self.level

    def journal_level(self) -> Level:
        return self.level


@dataclass(frozen=True, slots=True)
class OfficeErased(Event):
    """Everything stored of an office was erased by a command, its journal too."""

    office: str
    rows: int


@dataclass(frozen=True, slots=True)
class ConditionChanged(Event):
    """The office's condition changed. `before` is None for an office seen for the first time."""

    office: str
    before: Condition | None
    after: Condition
    reason: str
    owner: Owner | None
    is_shared: bool = False
    """Whether it only follows from an outage of the API's host, or from its end, which is reported for all offices."""

    def log_level(self) -> Level:
        """What the host's outage does is quiet, and so is an office that was not contacted yet."""
        is_news = not self.is_shared and (self.before, self.after) != (None, Condition.WAITING)
        return self.journal_level() if is_news else Level.DEBUG

    def journal_level(self) -> Level:
        return Level.WARNING if self.after in ALARMING_CONDITIONS else Level.INFO


@dataclass(frozen=True, slots=True)
class RequestStarted(Event, level=Level.DEBUG):
    """A request has passed the rate limiter. Exactly one `request_finished` follows, also after a cancellation."""

    office: str
    kind: str

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.requests_in_flight.inc()


@dataclass(frozen=True, slots=True)
class RequestFinished(Event, level=Level.DEBUG):
    """A started request was answered, failed or was cancelled."""

    office: str
    kind: str
    """"preferences", "short_query" …"""
    outcome: str
    """"ok", a failure's kind, or "cancelled"."""
    status: int | None
    """None: no response arrived."""
    seconds: float
    wait_seconds: float
    """In the rate limiter, before the request was sent."""
    bytes: int

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.requests_in_flight.dec()
        metrics.requests.labels(self.kind, self.outcome).inc()
        metrics.request_duration.labels(self.kind).observe(self.seconds)
        metrics.rate_limiter_wait.observe(self.wait_seconds)
        metrics.response_bytes.inc(self.bytes)


@dataclass(frozen=True, slots=True)
class KeyRejectedDuringRotation(Event):
    """One of an office's two keys ("new" or "old") was rejected while a change of the key settles."""

    office: str
    key: str
    until: datetime
    """The end of the change: from then on only the new key is used."""


@dataclass(frozen=True, slots=True)
class KeyRotated(Event):
    """The office's new key was accepted; the old one is discarded."""

    office: str


@dataclass(frozen=True, slots=True)
class FailureSeen(Event):
    """A failure at an office. A failure that lasts is loud only once."""

    office: str
    kind: str
    owner: Owner
    message: str
    """The message of the other side, shortened and without secrets."""
    attempt: int
    """1 is the first in a row."""
    retry_at: datetime | None
    """None: no automatic retry."""
    is_shared: bool = False
    """Whether it only follows from an outage of the API's host, which is reported for all offices."""

    def log_level(self) -> Level:
        return Level.DEBUG if self.is_shared else self.journal_level()

    def journal_level(self) -> Level:
        """The severity from the table of failures for the first in a row, then info."""
        kind = FailureKind(self.kind)  # type: ignore[call-arg]  # found by its value, not made
        return Level[kind.severity.name] if self.attempt <= 1 else Level.INFO

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.failures.labels(self.kind, self.owner.value).inc()


@dataclass(frozen=True, slots=True)
class AgingStatusChanged(Event):
    """The office's aging status differs from the one at the last probe."""

    office: str
    status: str
    aging_date: date | None


@dataclass(frozen=True, slots=True)
class ReaderChanged(Event):
    """The office is read in another way from now on, because its server requires it."""

    office: str
    before: Reader
    after: Reader
    reason: str


@dataclass(frozen=True, slots=True)
class PullStarted(Event):
    """A pull begins, or continues after the rows of its checkpoint."""

    office: str
    reader: Reader
    resumed_rows: int


@dataclass(frozen=True, slots=True)
class PageStored(Event, level=Level.DEBUG):
    """A page and its checkpoint are stored: `rows` so far, of the `rows_total` that the office counted."""

    office: str
    rows: int
    rows_total: int


@dataclass(frozen=True, slots=True)
class SnapshotHeld(Event, level=Level.WARNING):
    """A snapshot matches the totals but is implausible; `reason` has no amounts. It is read again at `retry_at`."""

    office: str
    aging_date: date
    reason: str
    retry_at: datetime

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.snapshots_held.inc()


@dataclass(frozen=True, slots=True)
class PullRejected(Event, level=Level.WARNING):
    """A pull did not match the control totals and was discarded. `reason` names the count or sum, never an amount."""

    office: str
    reason: str

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.pulls_rejected.inc()


@dataclass(frozen=True, slots=True)
class SnapshotPublished(Event):
    """A snapshot is committed and visible."""

    office: str
    snapshot_id: int
    aging_date: date
    guarantors: int
    new: int
    changed: int
    cleared: int
    reader: Reader
    requests: int
    seconds: float
    """Since the first request of the pull."""
    late_by_seconds: float | None
    """After the office's `fresh_by`; None: in time, or without deadline."""

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.snapshots_published.labels(self.reader.value).inc()
        metrics.pull_duration.labels(self.reader.value).observe(self.seconds)
        if self.late_by_seconds is not None:
            metrics.snapshots_late.inc()


@dataclass(frozen=True, slots=True)
class WorkerCrashed(Event, level=Level.ERROR):
    """An office's worker crashed, a bug in oddaemon. No other office is affected."""

    office: str
    error: str
    """The exception's type."""
    restarts_left: int
    """How often the worker may still be restarted, including this time; 0: it rests in quarantine."""
    traceback: str
    """From `format_traceback`."""
    is_shared: bool = False
    """Whether `offices_crashed_alike` has reported this error for many offices."""

    def log_level(self) -> Level:
        """An error is reported once, not once an office."""
        return Level.INFO if self.is_shared else self.level

    def record_metrics(self, metrics: FleetMetrics) -> None:
        if self.restarts_left > 0:
            metrics.worker_restarts.inc()


@dataclass(frozen=True, slots=True)
class OfficeQuarantined(Event, level=Level.ERROR):
    """The office's worker crashed too often and rests until `until`. A reload or a restart ends that early."""

    office: str
    until: datetime | None = None
    is_shared: bool = False
    """As of `worker_crashed`."""

    def log_level(self) -> Level:
        """An error is reported once, not once an office."""
        return Level.INFO if self.is_shared else self.level


@dataclass(frozen=True, slots=True)
class OfficesCrashedAlike(Event, level=Level.ERROR):
    """The workers of many offices crashed by one error of oddaemon. Reported once, when the third of them crashed."""

    error: str
    """The exception's type."""
    place: str
    """File and line."""
    offices: int
    names: tuple[str, ...]
    traceback: str


@dataclass(frozen=True, slots=True)
class ClockMismatch(Event, level=Level.WARNING):
    """The office's database clock is not in the time zone of its configuration."""

    office: str
    configured_offset_seconds: float
    measured_offset_seconds: float
