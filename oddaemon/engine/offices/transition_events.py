"""Turns the state transitions of one office into events."""

from collections.abc import Callable
from datetime import date, datetime, timedelta

from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.model import Condition, PublishedSnapshot
from oddaemon.core.office.aging import AgingStatus, evaluate_aging
from oddaemon.core.office.clock import make_office_clock
from oddaemon.core.office.evidence import refine_failure
from oddaemon.core.office.state import Failed, Observation, OfficeState
from oddaemon.core.reporting.office_runtime import OfficeRuntime
from oddaemon.telemetry.events import (
    AgingStatusChanged,
    ClockMismatch,
    ConditionChanged,
    FailureSeen,
    PullRejected,
    ReaderChanged,
    SnapshotHeld,
    SnapshotPublished,
)
from oddaemon.telemetry.events.base import Event

CLOCK_MISMATCH_SECONDS = 120.0
_REJECTED = frozenset({FailureKind.INCOMPLETE, FailureKind.COLUMN_TRUNCATED, FailureKind.AGING_CHANGED})


class OfficeEventEmitter:
    """Events of one office."""

    def __init__(self, runtime: OfficeRuntime, emit: Callable[[Event], None]) -> None:
        self.runtime = runtime
        self._spec = runtime.spec
        self.emit = emit
        self._last_condition: Condition | None = None
        self._condition_before_outage: Condition | None = None
        """While the office is unreachable only because of an outage of the API's host: what it was before."""
        self._is_cut_off = False
        """Whether it is."""
        self._last_aging: tuple[AgingStatus, date | None] | None = None

    @property
    def _id(self) -> str:
        return self._spec.id

    def emit_transition(
        self,
        previous: OfficeState,
        current: OfficeState,
        observation: Observation,
        now: datetime,
        *,
        is_shared: bool = False,
    ) -> None:
        """The worker took a turn.

        Args:
            previous: The state before it.
            current: The state after it.
            observation: What it was taken for.
            now: When.
            is_shared: Whether what failed is the API's host, which is reported for all of its offices.
        """
        self.runtime.state = current
        is_resumed = previous.standing.condition is Condition.PAUSED is not current.standing.condition
        if is_resumed or (previous.published is not None and current.published is None):
            self.runtime.known_since = now
        if isinstance(observation, Failed):
            self.emit_failure(
                refine_failure(previous, observation.failure),
                max(current.attempts, current.rereads, 1),
                current.not_before,
                is_shared=is_shared,
            )
        if current.held is not None and current.held is not previous.held:
            self.emit(SnapshotHeld(self._id, current.held.aging_date, current.standing.reason, current.not_before))
        self._emit_aging(current, now)
        if previous.reader is not current.reader:
            self.emit(ReaderChanged(self._id, previous.reader, current.reader, current.standing.reason))
        self._emit_clock_mismatch(previous, current, now)
        self._emit_condition(current, now, is_shared=is_shared)

    def emit_failure(
        self, failure: Failure, attempt: int, retry_at: datetime | None, *, is_shared: bool = False
    ) -> None:
        """Something failed."""
        self.runtime.failures += 1
        if failure.kind in _REJECTED:
            self.emit(PullRejected(self._id, failure.message))
        self.emit(
            FailureSeen(self._id, failure.kind, failure.kind.owner, failure.sentence, attempt, retry_at, is_shared)
        )

    def emit_published(self, snapshot: PublishedSnapshot) -> None:
        """A snapshot was published."""
        early_by = snapshot.early_by
        self.runtime.snapshot = snapshot
        self.emit(
            SnapshotPublished(
                office=self._id,
                snapshot_id=snapshot.id,
                aging_date=snapshot.aging_date,
                guarantors=snapshot.totals.guarantors,
                new=snapshot.new,
                changed=snapshot.changed,
                cleared=snapshot.cleared,
                reader=snapshot.reader,
                requests=snapshot.requests,
                seconds=snapshot.pull_seconds,
                late_by_seconds=-early_by.total_seconds() if early_by is not None and early_by < timedelta() else None,
            )
        )

    def _emit_aging(self, current: OfficeState, now: datetime) -> None:
        """Report the evaluated aging, not the preferences: a new date under a lock is not a completed run."""
        if current.preferences is None:
            return
        aging = evaluate_aging(current.preferences, make_office_clock(current, self._spec), now, self._spec.cadence)
        if (aging.status, aging.aging_date) != self._last_aging:
            self._last_aging = (aging.status, aging.aging_date)
            self.emit(AgingStatusChanged(self._id, aging.status, aging.aging_date))

    def _emit_clock_mismatch(self, previous: OfficeState, current: OfficeState, now: datetime) -> None:
        skew, zone = current.skew_seconds, self._spec.zone
        if zone is None or skew is None or skew == previous.skew_seconds or abs(skew) < CLOCK_MISMATCH_SECONDS:
            return
        offset = (now.astimezone(zone).utcoffset() or timedelta()).total_seconds()
        self.emit(ClockMismatch(self._id, offset, offset + skew))

    def _emit_condition(self, current: OfficeState, now: datetime, *, is_shared: bool) -> None:
        """Report a new condition. An outage of the API's host is no news of an office, and neither is its return."""
        status, before = current.standing.evaluate_at(now), self._last_condition
        if status.condition is before:
            return
        if self._is_cut_off:
            is_shared, self._is_cut_off = status.condition is self._condition_before_outage, False
        else:
            is_shared = is_shared and status.condition is Condition.UNREACHABLE and before is not Condition.BLOCKED
            self._is_cut_off, self._condition_before_outage = is_shared, before
        self._last_condition = status.condition
        self.emit(ConditionChanged(self._id, before, status.condition, status.reason, status.owner, is_shared))
