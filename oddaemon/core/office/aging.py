"""Evaluates an office's aging from its preferences, at one instant on the office's own clock."""

import re
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import NamedTuple

from oddaemon.core.dates import parse_date, parse_datetime, parse_due_time
from oddaemon.core.failures.aging_messages import (
    BROKEN_OFF_MESSAGE,
    FUTURE_MESSAGE,
    MISSED_MESSAGE,
    SETTINGS_MOVED_IN,
    Version,
    describe_lock_place,
    describe_run_time_place,
    make_not_configured_message,
    make_stuck_message,
    make_unreadable_message,
)
from oddaemon.core.model import AgingMark, Cadence, Owner, Preferences
from oddaemon.core.office.clock import OfficeClock

LOCK_IGNORED_AFTER = timedelta(hours=24)
"""Newer versions of Open Dental ignore a lock that is older."""
FUTURE_TOLERANCE = timedelta(minutes=75)
"""How far an office's clock may be ahead of our estimate: one change to daylight saving time, plus a margin."""
START_MARGIN = timedelta(minutes=5)
"""Added to the service's hour before the run counts as missed."""
ONE_WRITE_SINCE: Version = SETTINGS_MOVED_IN
"""From this version on a run writes all balances in one statement, and runs every night: monthly aging is gone.

Before, a run zeroes the balances and refills them, and one that breaks off leaves the balances of two runs.
"""


class AgingStatus(StrEnum):
    """The state of an office's aging."""

    COMPLETE = "complete"
    """The run that was due last has completed."""
    WAITING = "waiting"
    """Never run yet, and not due."""
    DUE = "due"
    """Due; the service may still start it."""
    RUNNING = "running"
    """The lock is held: aging of all families, or of the few that a charge or payment concerns."""
    MISSED = "missed"
    """The service's hour has passed, and no run has begun."""
    STUCK = "stuck"
    """A run has held its lock for too long: it probably crashed."""
    NOT_CONFIGURED = "not_configured"
    """No automated run time is set: aging runs only by hand."""
    MONTHLY = "monthly"
    """Aging runs once a month: the date may be weeks old."""
    FUTURE = "future"
    """The last run has a date in the office's future."""
    UNREADABLE = "unreadable"
    """A preference holds something that is not a date or time."""


BLOCKING_STATUSES = frozenset(
    {AgingStatus.STUCK, AgingStatus.NOT_CONFIGURED, AgingStatus.FUTURE, AgingStatus.UNREADABLE}
)
"""Only the office can resolve these."""


@dataclass(frozen=True, slots=True)
class Aging:
    """An office's aging, with a sentence that explains it."""

    status: AgingStatus
    reason: str
    aging_date: date | None = None
    """The date of the last full run, if the table holds its complete balances now; None otherwise."""
    due_at: datetime | None = None
    """When the latest run became due."""
    next_due_at: datetime | None = None
    pending_due_at: datetime | None = None
    """When the next pending run was or will be due; None if no time is known for it."""
    owner: Owner | None = None
    advice: str = ""
    message: str = ""
    """A message that can be sent to the office as it is."""


def evaluate_aging(preferences: Preferences, clock: OfficeClock, now: datetime, cadence: Cadence) -> Aging:
    """Evaluate the office's aging as of `now`. Never raises, whatever the preferences hold."""
    name = "DateLastAging"
    try:
        last = parse_date(preferences.date_last_aging)
        name = "AgingBeginDateTime"
        begin = parse_datetime(preferences.aging_begin)
        name = "AgingServiceTimeDue"
        due = parse_due_time(preferences.aging_service_time_due)
    except ValueError as error:
        return Aging(
            AgingStatus.UNREADABLE,
            f"The office's aging preferences cannot be parsed: {name} {error}.",
            owner=Owner.OFFICE,
            advice="Ask the office to set the automated aging run time again, and to run aging.",
            message=make_unreadable_message(parse_release(preferences.program_version)),
        )
    aging = _evaluate_parsed(preferences, _Times(last, begin, due), clock, now, cadence)
    if due is None:
        return aging
    due_date, due_at = clock.find_last(due, now)
    next_due_at = clock.to_instant(datetime.combine(due_date + timedelta(days=1), due))
    is_done = aging.status is AgingStatus.WAITING if last is None else last >= due_date
    pending_due_at = None if is_monthly(preferences) else next_due_at if is_done else due_at
    return replace(aging, due_at=due_at, next_due_at=next_due_at, pending_due_at=pending_due_at)


def compute_missed_at(due_at: datetime, cadence: Cadence) -> datetime:
    """When a run that was due and has not begun counts as missed."""
    return due_at + timedelta(seconds=cadence.start_window_seconds) + START_MARGIN


def began_on_time(begin: str, due_at: datetime, clock: OfficeClock, cadence: Cadence) -> bool:
    """Whether a lock began when the service starts the night's run: by day, it is aging of some families."""
    try:
        began = parse_datetime(begin)
    except ValueError:
        return False
    latest = clock.to_local(compute_missed_at(due_at, cadence))
    return began is not None and clock.to_local(due_at) <= began <= latest


def has_broken_off(mark: AgingMark, preferences: Preferences) -> bool:
    """Whether the lock seen at `mark` was that of a run that left the balances of two runs, as far as is known.

    A lock that came and went while the date stayed is no sign of it from 22.2 on: aging of some families never moves
    the date, and a run of all families that fails writes nothing. Before 22.2, the first cannot be distinguished from
    a run that broke off halfway. Monthly aging always has the date of the first. `evaluate_aging` must have been able
    to parse both arguments.
    """
    if not _is_before_one_write(preferences) or is_monthly(preferences):
        return False
    if mark.date_last_aging != preferences.date_last_aging:
        return False
    last, begin = parse_date(preferences.date_last_aging), parse_datetime(mark.aging_begin)
    return begin is not None and (last is None or last < begin.date())


def make_broken_off_aging(aging: Aging, mark: AgingMark) -> Aging:
    """The office's aging, before version 22.2, after a lock that left no date: the table may hold two runs."""
    return replace(
        aging,
        status=AgingStatus.MISSED,
        reason=f"Aging of all or of some families began at {mark.aging_begin} on the office's clock and left no new"
        " date. Before version 22.2, a run that breaks off leaves balances of two runs.",
        aging_date=None,
        owner=Owner.OFFICE,
        advice="Ask the office to run aging again. Until then, its balances may come from two different runs.",
        message=BROKEN_OFF_MESSAGE,
    )


class _Times(NamedTuple):
    last: date | None
    begin: datetime | None
    due: time | None


def _evaluate_parsed(
    preferences: Preferences, times: _Times, clock: OfficeClock, now: datetime, cadence: Cadence
) -> Aging:
    last, begin, due = times
    version = parse_release(preferences.program_version)
    if begin is not None and (lock := _evaluate_lock(begin, last, version, clock.to_local(now), cadence)) is not None:
        return lock
    if last is not None and last > clock.to_local(now + FUTURE_TOLERANCE).date():
        return Aging(
            AgingStatus.FUTURE,
            f"The last aging has the future date {last}.",
            owner=Owner.OFFICE,
            advice="Ask the office to run aging again with today's date.",
            message=FUTURE_MESSAGE,
        )
    if is_monthly(preferences):
        return _evaluate_monthly(last)
    if due is None:
        return _evaluate_manual(last, version)
    return _evaluate_nightly(last, due, clock, now, cadence)


def _evaluate_lock(
    begin: datetime, last: date | None, version: Version | None, local_now: datetime, cadence: Cadence
) -> Aging | None:
    """A lock in use, or one that was left behind; None if a newer version has ignored the lock and run again."""
    age = local_now - begin
    if age >= LOCK_IGNORED_AFTER and last is not None and last > begin.date():
        return None
    if abs(age) < timedelta(seconds=cadence.stuck_after_seconds):
        reason = f"Aging of all or of some families has been running since {begin:%H:%M} on the office's clock."
        return Aging(AgingStatus.RUNNING, reason)
    return Aging(
        AgingStatus.STUCK,
        f"Aging of all or of some families began at {begin:%Y-%m-%d %H:%M} on the office's clock, and its lock is still"
        " set.",
        owner=Owner.OFFICE,
        advice="Ask the office's administrator to clear the aging lock and to run aging. The lock is cleared in"
        f" {describe_lock_place(version)}.",
        message=make_stuck_message(version),
    )


def is_monthly(preferences: Preferences) -> bool:
    """Whether aging runs only once a month. Newer versions run it every night, whatever is set."""
    return preferences.monthly.strip().casefold() in ("1", "true") and _is_before_one_write(preferences)


def _evaluate_monthly(last: date | None) -> Aging:
    if last is None:
        return Aging(AgingStatus.WAITING, "Aging runs once a month and has not run yet.")
    return Aging(AgingStatus.MONTHLY, f"Aging runs once a month. It last ran on {last}.", aging_date=last)


def _evaluate_manual(last: date | None, version: Version | None) -> Aging:
    last_run = f"last ran on {last}" if last else "has never run"
    return Aging(
        AgingStatus.NOT_CONFIGURED,
        f"No automated aging run time is set. Aging {last_run}.",
        aging_date=last,
        owner=Owner.OFFICE,
        advice="Ask the office to set the automated aging run time and to keep the Open Dental Service running. It is"
        f" set in {describe_run_time_place(version)}.",
        message=make_not_configured_message(version),
    )


def _evaluate_nightly(last: date | None, due: time, clock: OfficeClock, now: datetime, cadence: Cadence) -> Aging:
    due_date, due_at = clock.find_last(due, now)
    if last is not None and last >= due_date:
        return Aging(AgingStatus.COMPLETE, f"Aging of {last} is complete.", aging_date=last)
    so_far = f"It last ran on {last}" if last else "It has never run"
    if now < compute_missed_at(due_at, cadence):
        reason = f"Aging has been due since {due:%H:%M} on the office's clock. {so_far}."
        return Aging(AgingStatus.DUE, reason, aging_date=last)
    if last is None and due_date < clock.to_local(now).date():
        return Aging(AgingStatus.WAITING, f"Aging has never run. It is due at {due:%H:%M} on the office's clock.")
    return Aging(
        AgingStatus.MISSED,
        f"Aging did not start within one hour after {due:%H:%M} on {due_date}. {so_far}.",
        aging_date=last,
        owner=Owner.OFFICE,
        advice="Ask the office to check that the Open Dental Service is running on its server and to run aging.",
        message=MISSED_MESSAGE,
    )


def _is_before_one_write(preferences: Preferences) -> bool:
    """A version that cannot be parsed counts as new."""
    return (parse_release(preferences.program_version) or ONE_WRITE_SINCE) < ONE_WRITE_SINCE


def parse_version(text: str) -> tuple[int, int] | None:
    """Parse the first two numbers of `25.4.48.0`; None: there are none."""
    release = parse_release(text)
    return None if release is None else release[:2]


def parse_release(text: str) -> Version | None:
    """Parse the first three numbers of `25.4.48.0`; a missing third counts as 0. None: there are not even two."""
    numbers = [int(number) for number in re.findall(r"\d{1,9}", text)[:3]]
    return (numbers[0], numbers[1], numbers[2] if len(numbers) > 2 else 0) if len(numbers) > 1 else None  # noqa: PLR2004  of three
