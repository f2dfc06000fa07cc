"""By when each office's balances have to be there, and how a morning of the whole fleet went.

A *morning* is a calendar day on each office's own clock. What has to be there by its `fresh_by` is the aging of the run
that was due last before it. So a night is missed by the office's hour and by nothing else: not by ours, and not by when
we happened to look.

Nothing is expected of an office that is paused, has no `fresh_by` or ages once a month. An office that was blocked
already when its run became due is told apart: somebody knows of it, and the morning of the others can be complete all
the same. One that becomes blocked in that very night makes its morning a missed one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache

from oddaemon.core.aging import is_monthly, parse_due_time
from oddaemon.core.clock import OfficeClock
from oddaemon.core.model import Condition, Office
from oddaemon.core.office import clock_of
from oddaemon.core.state import OfficeState

DAY = timedelta(days=1)
_INSTANT = timedelta(microseconds=1)
_CLOCKS_MAX = 8192
"""Offices of one zone and one due time share their arithmetic, which would otherwise stall a large fleet's loop."""


@dataclass(frozen=True, slots=True)
class Watched:
    """An office, as far as its mornings are told from it."""

    office: Office
    state: OfficeState
    known_since: datetime
    """See `known_since`; what an office has not published since then it does not owe for any morning before."""


@dataclass(frozen=True, slots=True)
class Duty:
    """What an office has to bring for one morning."""

    aging_date: date
    """Of the run that has to be published, or a later one."""
    due_at: datetime
    deadline: datetime


class Outcome(StrEnum):
    """What became of a morning of the fleet."""

    OPEN = "open"
    COMPLETE = "complete"
    """Every office of which balances are expected has published them."""
    MISSED = "missed"
    """The last deadline has passed, and somebody's balances are missing."""


@dataclass(frozen=True, slots=True)
class Morning:
    """How one morning of the fleet stands."""

    day: date
    fresh: int = 0
    """Offices whose balances are there."""
    late: int = 0
    """Those of them that were published after their `fresh_by`."""
    missing: tuple[str, ...] = ()
    """Ids of those whose balances are not."""
    blocked: int = 0
    """Not expected: they were blocked already when their run became due."""
    exempt: int = 0
    """Not expected: paused, without `fresh_by`, monthly, or new."""
    last_deadline: datetime | None = None
    """Of the expected ones; None: there is none."""

    @property
    def expected(self) -> int:
        """Offices whose balances have to be there."""
        return self.fresh + len(self.missing)

    def outcome(self, now: datetime) -> Outcome:
        """What became of it by `now`; a morning on which nobody is expected stays open."""
        if self.last_deadline is None:
            return Outcome.OPEN
        if not self.missing:
            return Outcome.COMPLETE
        return Outcome.MISSED if now >= self.last_deadline else Outcome.OPEN


def known_since(state: OfficeState) -> datetime:
    """Since when an office has been known at the least, told from its state when this process first saw it."""
    since = state.standing.since
    return since if state.published is None else min(since, state.published.published_at)


def deadline(watched: Watched) -> datetime | None:
    """When the first balances that are not there yet have to be there; in the past once they are missed.

    It moves on when a snapshot is published, and only then: a day after it, two nights are missed. Of an office that
    was paused, away, or wanted otherwise, it begins anew when that is over.

    Returns:
        None: nothing is expected of this office.
    """
    office, state = watched.office, watched.state
    if office.fresh_by is None or not _is_bound(watched):
        return None
    clock = clock_of(state, office)
    first = clock.next(office.fresh_by, watched.known_since)
    if state.published is None:
        return first
    owed = _deadline(clock, office.fresh_by, _due(state), state.published.aging_date + DAY)
    return owed if state.published.published_at >= watched.known_since else max(owed, first)


def nights_missed(missed: datetime, now: datetime) -> int:
    """How many nights are missing by `now`, where `missed` is the first deadline that is not kept."""
    return 0 if now < missed else 1 + (now - missed) // DAY


def duty(watched: Watched, day: date) -> Duty | None:
    """What the office has to bring for this morning; None: nothing."""
    office, state = watched.office, watched.state
    if office.fresh_by is None or not _is_bound(watched):
        return None
    return _duty(clock_of(state, office), office.fresh_by, _due(state), day)


def morning(day: date, fleet: Iterable[Watched]) -> Morning:
    """How this morning stands, over all offices."""
    fresh = late = blocked = exempt = 0
    missing: list[str] = []
    deadlines: list[datetime] = []
    for watched in fleet:
        owed = duty(watched, day)
        published = watched.state.published
        if owed is None or _is_new(watched, owed):
            exempt += 1
            continue
        if published is not None and published.aging_date >= owed.aging_date:
            fresh += 1
            late += published.published_at > owed.deadline
        elif _is_known_trouble(watched, owed):
            blocked += 1
            continue
        else:
            missing.append(watched.office.id)
        deadlines.append(owed.deadline)
    return Morning(day, fresh, late, tuple(missing), blocked, exempt, max(deadlines, default=None))


def _is_bound(watched: Watched) -> bool:
    state = watched.state
    if not watched.office.enabled or state.standing.condition is Condition.PAUSED:
        return False
    return state.preferences is None or not is_monthly(state.preferences)


def _is_new(watched: Watched, owed: Duty) -> bool:
    """Whether the office came, or came back, after this morning's deadline, so that it owes the next one first."""
    published, known_since = watched.state.published, watched.known_since
    is_kept = published is not None and published.published_at < known_since and published.aging_date >= owed.aging_date
    return owed.deadline <= known_since and not is_kept


def _is_known_trouble(watched: Watched, owed: Duty) -> bool:
    standing = watched.state.standing
    return standing.condition is Condition.BLOCKED and standing.since <= owed.due_at


def _due(state: OfficeState) -> str:
    return "" if state.preferences is None else state.preferences.aging_service_time_due


@lru_cache(_CLOCKS_MAX)
def _duty(clock: OfficeClock, fresh_by: time, due: str, day: date) -> Duty:
    until = clock.instant(datetime.combine(day, fresh_by))
    due_time = _due_time(due)
    if due_time is None:
        return Duty(day - DAY, until - DAY, until)
    aging_date, due_at = clock.last(due_time, until - _INSTANT)
    return Duty(aging_date, due_at, until)


@lru_cache(_CLOCKS_MAX)
def _deadline(clock: OfficeClock, fresh_by: time, due: str, aging_date: date) -> datetime:
    due_time = _due_time(due)
    if due_time is None:
        return clock.instant(datetime.combine(aging_date + DAY, fresh_by))
    return clock.next(fresh_by, clock.instant(datetime.combine(aging_date, due_time)))


def _due_time(due: str) -> time | None:
    """When the office ages; None: not known, by hand or unreadable. Then yesterday's aging is good enough."""
    try:
        return parse_due_time(due)
    except ValueError:
        return None
