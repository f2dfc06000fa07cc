"""Computes the deadline of each office's balances, and the result of a night over the whole fleet.

A night ends on a calendar day of each office's own clock. Its deadline is `fresh_by`: by then, the aging of the last
run that was due before it must be published. Whether a night is missed depends on the office's clock, not on the time
of the check.

An office that is paused, has no `fresh_by` or ages once a month has no deadline. An office that was already blocked
when its run became due is counted separately and does not prevent a complete night. An office that becomes blocked
during the night misses it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache

from oddaemon.core.dates import parse_due_time
from oddaemon.core.model import Condition
from oddaemon.core.office.aging import is_monthly
from oddaemon.core.office.clock import OfficeClock, make_office_clock
from oddaemon.core.office.state import OfficeState
from oddaemon.core.reporting.office_runtime import OfficeRuntime

DAY = timedelta(days=1)
_INSTANT = timedelta(microseconds=1)
_CLOCKS_MAX = 8192
"""Offices with the same zone and due time share one computation; without it a large fleet stalls the event loop."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """What an office must publish for one night."""

    aging_date: date
    """The earliest aging date that counts."""
    due_at: datetime
    at: datetime


class DeadlineOutcome(StrEnum):
    """The result of a night of the fleet."""

    OPEN = "open"
    COMPLETE = "complete"
    """Every expected office has published."""
    MISSED = "missed"
    """The last deadline has passed, and balances are missing."""


@dataclass(frozen=True, slots=True)
class FleetNight:
    """The state of one night of the fleet."""

    day: date
    fresh: int = 0
    """Offices that have published."""
    late: int = 0
    """Those of them that published after their `fresh_by`."""
    missing: tuple[str, ...] = ()
    """Ids of the offices that have not published."""
    blocked: int = 0
    """Not expected: they were blocked already when their run became due."""
    exempt: int = 0
    """Not expected: paused, without `fresh_by`, monthly, or new."""
    last_deadline: datetime | None = None
    """The last deadline of the expected offices; None: no office is expected."""

    @property
    def expected(self) -> int:
        """Offices that are expected to publish."""
        return self.fresh + len(self.missing)

    def get_outcome(self, now: datetime) -> DeadlineOutcome:
        """The outcome at `now`; a night without expected offices stays open."""
        if self.last_deadline is None:
            return DeadlineOutcome.OPEN
        if not self.missing:
            return DeadlineOutcome.COMPLETE
        return DeadlineOutcome.MISSED if now >= self.last_deadline else DeadlineOutcome.OPEN


def get_known_since(state: OfficeState) -> datetime:
    """The latest instant since which the office is certainly known, from the state that this process read first."""
    since = state.standing.since
    return since if state.published is None else min(since, state.published.published_at)


def find_next_deadline(runtime: OfficeRuntime) -> datetime | None:
    """Find the first deadline that the office has not met. A missed deadline is in the past.

    Only a published snapshot advances it: one day after the missed deadline, two nights are missed. After an office was
    paused, removed or configured differently, its deadlines start again.

    Returns:
        The deadline; None: the office has none.
    """
    office, state = runtime.spec, runtime.state
    if office.fresh_by is None or not _has_deadline(runtime):
        return None
    clock = make_office_clock(state, office)
    first = clock.find_next(office.fresh_by, runtime.known_since)
    if state.published is None:
        return first
    pending = _compute_deadline_at(clock, office.fresh_by, _get_due_preference(state), state.published.aging_date + DAY)
    return pending if state.published.published_at >= runtime.known_since else max(pending, first)


def count_missed_nights(first_missed: datetime, now: datetime) -> int:
    """Count the nights missed by `now`, beginning with the first missed deadline."""
    return 0 if now < first_missed else 1 + (now - first_missed) // DAY


def get_deadline(runtime: OfficeRuntime, day: date) -> Deadline | None:
    """The deadline of the office for this night; None: the office has none."""
    office, state = runtime.spec, runtime.state
    if office.fresh_by is None or not _has_deadline(runtime):
        return None
    return _compute_deadline(make_office_clock(state, office), office.fresh_by, _get_due_preference(state), day)


def summarize_night(day: date, fleet: Iterable[OfficeRuntime]) -> FleetNight:
    """Summarize this night over all offices."""
    fresh = late = blocked = exempt = 0
    missing: list[str] = []
    deadlines: list[datetime] = []
    for runtime in fleet:
        deadline = get_deadline(runtime, day)
        published = runtime.state.published
        if deadline is None or _has_joined_after(runtime, deadline):
            exempt += 1
            continue
        if published is not None and published.aging_date >= deadline.aging_date:
            fresh += 1
            late += published.published_at > deadline.at
        elif _was_already_blocked(runtime, deadline):
            blocked += 1
            continue
        else:
            missing.append(runtime.spec.id)
        deadlines.append(deadline.at)
    return FleetNight(day, fresh, late, tuple(missing), blocked, exempt, max(deadlines, default=None))


def _has_deadline(runtime: OfficeRuntime) -> bool:
    state = runtime.state
    if not runtime.spec.enabled or state.standing.condition is Condition.PAUSED:
        return False
    return state.preferences is None or not is_monthly(state.preferences)


def _has_joined_after(runtime: OfficeRuntime, deadline: Deadline) -> bool:
    """Whether the office was added, or added again, after this deadline. Then the next deadline is its first."""
    published, known_since = runtime.state.published, runtime.known_since
    was_published_before = (
        published is not None and published.published_at < known_since and published.aging_date >= deadline.aging_date
    )
    return deadline.at <= known_since and not was_published_before


def _was_already_blocked(runtime: OfficeRuntime, deadline: Deadline) -> bool:
    status = runtime.state.standing
    return status.condition is Condition.BLOCKED and status.since <= deadline.due_at


def _get_due_preference(state: OfficeState) -> str:
    return "" if state.preferences is None else state.preferences.aging_service_time_due


@lru_cache(_CLOCKS_MAX)
def _compute_deadline(clock: OfficeClock, fresh_by: time, due: str, day: date) -> Deadline:
    deadline_at = clock.to_instant(datetime.combine(day, fresh_by))
    due_time = _find_due_time(due)
    if due_time is None:
        return Deadline(day - DAY, deadline_at - DAY, deadline_at)
    aging_date, due_at = clock.find_last(due_time, deadline_at - _INSTANT)
    return Deadline(aging_date, due_at, deadline_at)


@lru_cache(_CLOCKS_MAX)
def _compute_deadline_at(clock: OfficeClock, fresh_by: time, due: str, aging_date: date) -> datetime:
    due_time = _find_due_time(due)
    if due_time is None:
        return clock.to_instant(datetime.combine(aging_date + DAY, fresh_by))
    return clock.find_next(fresh_by, clock.to_instant(datetime.combine(aging_date, due_time)))


def _find_due_time(due: str) -> time | None:
    """The due time of aging; None: unknown, aging by hand, or unreadable. Then yesterday's aging is sufficient."""
    try:
        return parse_due_time(due)
    except ValueError:
        return None
