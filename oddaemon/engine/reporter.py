"""Tells what happens to one office: each turn of its state becomes the events that it means."""

from collections.abc import Callable
from datetime import date, datetime, timedelta

from oddaemon.core.aging import AgingStatus, evaluate
from oddaemon.core.failure import Failure, Kind
from oddaemon.core.model import Condition, Reader, Snapshot
from oddaemon.core.office import clock_of, named
from oddaemon.core.state import Failed, Observation, OfficeState, Wish
from oddaemon.core.status import PublishedSnapshot
from oddaemon.engine.fleet import OfficeView
from oddaemon.store import snapshots
from oddaemon.telemetry.event import Event
from oddaemon.telemetry.events import (
    AgingObserved,
    ClockMismatch,
    ConditionChanged,
    FailureSeen,
    PageStored,
    PullRejected,
    PullStarted,
    ReaderChanged,
    SnapshotHeld,
    SnapshotPublished,
)

CLOCK_MISMATCH_SECONDS = 120.0
_REJECTED = frozenset({Kind.INCOMPLETE, Kind.LANE_CUT, Kind.AGING_MOVED})


class Reporter:
    """Events of one office."""

    def __init__(self, wish: Wish, view: OfficeView, emit: Callable[[Event], None]) -> None:
        self.view = view
        self._wish = wish
        self._emit = emit
        self._told: Condition | None = None
        self._told_aging: tuple[AgingStatus, date | None] | None = None

    @property
    def _id(self) -> str:
        return self._wish.office.id

    def turned(self, before: OfficeState, after: OfficeState, observation: Observation, now: datetime) -> None:
        """The office took a turn."""
        self.view.state = after
        is_resumed = before.standing.condition is Condition.PAUSED is not after.standing.condition
        if is_resumed or (before.published is not None and after.published is None):
            self.view.known_since = now
        if isinstance(observation, Failed):
            self.failed(named(before, observation.failure), max(after.attempts, after.rereads, 1), after.not_before)
        if after.held is not None and after.held is not before.held:
            self._emit(SnapshotHeld(self._id, after.held.aging_date, after.standing.reason, after.not_before))
        self._aging(after, now)
        if before.reader is not after.reader:
            self._emit(ReaderChanged(self._id, before.reader, after.reader, after.standing.reason))
        self._clock(before, after, now)
        self._condition(after, now)

    def failed(self, failure: Failure, attempt: int, retry_at: datetime | None) -> None:
        """Something failed; the office goes on as its state says."""
        self.view.failures += 1
        if failure.kind in _REJECTED:
            self._emit(PullRejected(self._id, failure.message))
        self._emit(FailureSeen(self._id, failure.kind, failure.rule.owner, failure.sentence, attempt, retry_at))

    def pull_started(self, reader: Reader, resumed_rows: int) -> None:
        """The first request of a pull is about to leave."""
        self._emit(PullStarted(self._id, reader, resumed_rows))

    def page_stored(self, event: PageStored) -> None:
        """A page and its checkpoint are stored."""
        self._emit(event)

    def published(
        self,
        snapshot: Snapshot,
        stored: snapshots.PublishedSnapshot,
        took: timedelta,
        late_by: timedelta | None,
        now: datetime,
    ) -> None:
        """A snapshot is there for all to see."""
        totals = snapshot.totals
        self.view.snapshot = PublishedSnapshot(
            stored.id, snapshot.aging_date, now, totals.guarantors, totals.bal_total, verified=True
        )
        self._emit(
            SnapshotPublished(
                office=self._id,
                snapshot_id=stored.id,
                aging_date=snapshot.aging_date,
                guarantors=totals.guarantors,
                new=stored.new,
                changed=stored.changed,
                cleared=stored.cleared,
                reader=snapshot.reader,
                requests=snapshot.requests,
                seconds=took.total_seconds(),
                late_by_seconds=late_by.total_seconds() if late_by is not None else None,
            )
        )

    def _aging(self, after: OfficeState, now: datetime) -> None:
        """By what it means, not by the preferences: a date that moves while the lock stands is no completed run."""
        if after.preferences is None:
            return
        aging = evaluate(after.preferences, clock_of(after, self._wish.office), now, self._wish.cadence)
        if (aging.status, aging.aging_date) != self._told_aging:
            self._told_aging = (aging.status, aging.aging_date)
            self._emit(AgingObserved(self._id, aging.status, aging.aging_date))

    def _clock(self, before: OfficeState, after: OfficeState, now: datetime) -> None:
        skew, zone = after.skew_seconds, self._wish.office.zone
        if zone is None or skew is None or skew == before.skew_seconds or abs(skew) < CLOCK_MISMATCH_SECONDS:
            return
        offset = (now.astimezone(zone).utcoffset() or timedelta()).total_seconds()
        self._emit(ClockMismatch(self._id, offset, offset + skew))

    def _condition(self, after: OfficeState, now: datetime) -> None:
        standing = after.standing.at(now)
        if standing.condition is not self._told:
            self._emit(ConditionChanged(self._id, self._told, standing.condition, standing.reason, standing.owner))
            self._told = standing.condition
