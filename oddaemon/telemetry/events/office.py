"""What happens to one office. See `Event` for what a field may hold."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar

from oddaemon.core.failures.failure import RULES, FailureKind, Severity
from oddaemon.core.model import Condition, Owner, Reader
from oddaemon.telemetry.events.base import Event, Level
from oddaemon.telemetry.metrics.fleet import FleetMetrics

_LEVEL_BY_SEVERITY = {Severity.INFO: Level.INFO, Severity.WARNING: Level.WARNING, Severity.ERROR: Level.ERROR}
ALARMING_CONDITIONS = frozenset({Condition.LATE, Condition.UNREACHABLE, Condition.BLOCKED, Condition.SUSPECT})


@dataclass(frozen=True, slots=True)
class OfficeStarted(Event):
    """The office has a worker."""

    name: ClassVar[str] = "office_started"
    office: str


@dataclass(frozen=True, slots=True)
class OfficeStopped(Event):
    """The office's worker has ended as it was told to."""

    name: ClassVar[str] = "office_stopped"
    office: str
    reason: str


@dataclass(frozen=True, slots=True)
class OfficeErased(Event):
    """Everything that was stored of an office is gone by order, its journal too."""

    name: ClassVar[str] = "office_erased"
    office: str
    rows: int


@dataclass(frozen=True, slots=True)
class ConditionChanged(Event):
    """The office stands differently from now on. `before` is None for an office never seen."""

    name: ClassVar[str] = "condition_changed"
    office: str
    before: Condition | None
    after: Condition
    reason: str
    owner: Owner | None

    def log_level(self) -> Level:
        """Louder when the office turns to the worse."""
        return Level.WARNING if self.after in ALARMING_CONDITIONS else Level.INFO


@dataclass(frozen=True, slots=True)
class RequestStarted(Event):
    """A request left the gate. Exactly one `request_finished` follows, when it is cut off too."""

    name: ClassVar[str] = "request_started"
    level: ClassVar[Level] = Level.DEBUG
    office: str
    kind: str

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """One more in flight."""
        metrics.requests_in_flight.inc()


@dataclass(frozen=True, slots=True)
class RequestFinished(Event):
    """A started request was answered, failed or was cut off."""

    name: ClassVar[str] = "request_finished"
    level: ClassVar[Level] = Level.DEBUG
    office: str
    kind: str
    """"preferences", "short_query" …"""
    outcome: str
    """"ok", a failure's kind, or "cancelled"."""
    status: int | None
    """None: no answer came."""
    seconds: float
    wait_seconds: float
    """In the gate, before it was sent."""
    bytes: int

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """One less in flight; its outcome, times and size."""
        metrics.requests_in_flight.dec()
        metrics.requests.labels(self.kind, self.outcome).inc()
        metrics.request_duration.labels(self.kind).observe(self.seconds)
        metrics.rate_limiter_wait.observe(self.wait_seconds)
        metrics.response_bytes.inc(self.bytes)


@dataclass(frozen=True, slots=True)
class KeyRejectedDuringRotation(Event):
    """One of an office's two keys ("new", "former") was refused while the configuration's change of it settles."""

    name: ClassVar[str] = "key_rejected_during_rotation"
    office: str
    key: str
    until: datetime
    """The end of the change: from then on only the new key counts."""


@dataclass(frozen=True, slots=True)
class KeyRotated(Event):
    """The office's new key was accepted; the former one is forgotten."""

    name: ClassVar[str] = "key_rotated"
    office: str


@dataclass(frozen=True, slots=True)
class FailureSeen(Event):
    """Something about an office failed; what stands for long is news only once."""

    name: ClassVar[str] = "failure_seen"
    office: str
    kind: str
    owner: Owner
    message: str
    """The other side's own words, trimmed and free of secrets."""
    attempt: int
    """1 is the first of a row."""
    retry_at: datetime | None
    """None: not asked again by itself."""

    def log_level(self) -> Level:
        """As loud as the table of failures says for the first of a row."""
        return _LEVEL_BY_SEVERITY[RULES[FailureKind(self.kind)].severity] if self.attempt <= 1 else Level.INFO

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """Counts it by kind and owner."""
        metrics.failures.labels(self.kind, self.owner.value).inc()


@dataclass(frozen=True, slots=True)
class AgingStatusChanged(Event):
    """The office's aging stands differently than when it was last looked at."""

    name: ClassVar[str] = "aging_status_changed"
    office: str
    status: str
    aging_date: date | None


@dataclass(frozen=True, slots=True)
class ReaderChanged(Event):
    """The office is read in another way from now on, because its server wants it so."""

    name: ClassVar[str] = "reader_changed"
    office: str
    before: Reader
    after: Reader
    reason: str


@dataclass(frozen=True, slots=True)
class PullStarted(Event):
    """A pull begins, or goes on after the rows of its checkpoint."""

    name: ClassVar[str] = "pull_started"
    office: str
    reader: Reader
    resumed_rows: int


@dataclass(frozen=True, slots=True)
class PageStored(Event):
    """A page and its checkpoint are in the store: `rows` so far, of so many counted by the office."""

    name: ClassVar[str] = "page_stored"
    level: ClassVar[Level] = Level.DEBUG
    office: str
    rows: int
    rows_total: int


@dataclass(frozen=True, slots=True)
class SnapshotHeld(Event):
    """A snapshot adds up and is hard to believe; `why` says so without amounts. It is read again at `until`."""

    name: ClassVar[str] = "snapshot_held"
    level: ClassVar[Level] = Level.WARNING
    office: str
    aging_date: date
    reason: str
    retry_at: datetime

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """Counts it."""
        metrics.snapshots_held.inc()


@dataclass(frozen=True, slots=True)
class PullRejected(Event):
    """A pull did not add up and was thrown away; `reason` tells which count or sum, never an amount."""

    name: ClassVar[str] = "pull_rejected"
    level: ClassVar[Level] = Level.WARNING
    office: str
    reason: str

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """Counts it."""
        metrics.pulls_rejected.inc()


@dataclass(frozen=True, slots=True)
class SnapshotPublished(Event):
    """A snapshot is committed and visible."""

    name: ClassVar[str] = "snapshot_published"
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
    """From the pull's first request."""
    late_by_seconds: float | None
    """After the office's `fresh_by`; None: in time, or never late."""

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """Counts it, also among the late ones if it was late, and the pull's duration."""
        metrics.snapshots_published.labels(self.reader.value).inc()
        metrics.pull_duration.labels(self.reader.value).observe(self.seconds)
        if self.late_by_seconds is not None:
            metrics.snapshots_late.inc()


@dataclass(frozen=True, slots=True)
class WorkerCrashed(Event):
    """An error in oddaemon itself ended an office's worker; no other office noticed."""

    name: ClassVar[str] = "worker_crashed"
    level: ClassVar[Level] = Level.ERROR
    office: str
    error: str
    """The exception's type."""
    restarts_left: int
    """How often the worker may still be started again, this time included; 0: it stays down."""
    traceback: str
    """As `crash.describe` gives it."""

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """Counts a restart, if one follows."""
        if self.restarts_left > 0:
            metrics.worker_restarts.inc()


@dataclass(frozen=True, slots=True)
class OfficeQuarantined(Event):
    """The office's worker crashed too often and stays down until a reload or a restart."""

    name: ClassVar[str] = "office_quarantined"
    level: ClassVar[Level] = Level.ERROR
    office: str


@dataclass(frozen=True, slots=True)
class ClockMismatch(Event):
    """The office's database clock is not in the zone that the configuration names."""

    name: ClassVar[str] = "clock_mismatch"
    level: ClassVar[Level] = Level.WARNING
    office: str
    configured_offset_seconds: float
    measured_offset_seconds: float
