"""When an office's next balances will be there, and whether that is in time: from what its last nights took.

A forecast is a guess and says so in its words; it decides nothing. Its times are on the office's own clock, and none
of them counts from now: a sentence that is true stays true until something happens.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from oddaemon.core.clock import OfficeClock
from oddaemon.core.model import Condition, Owner, Standing

TIGHT_MIN = timedelta(minutes=15)
"""With less left before its hour an office is at risk, however quick it usually is."""
TIGHT_SHARE = 0.25
"""The same, as a share of what its aging and its pull take."""
_STOPPED = frozenset({Condition.BLOCKED, Condition.WAITING, Condition.AGING, Condition.LATE})
"""Where somebody must act here, nothing comes by itself."""
_ACTORS = {Owner.US: "we act", Owner.OFFICE: "the office acts", Owner.VENDOR: "Open Dental acts"}


class Outlook(StrEnum):
    """Whether the next balances will be in time."""

    IN_TIME = "in_time"
    AT_RISK = "at_risk"
    WILL_MISS = "will_miss"
    MISSED = "missed"
    """The hour has passed already."""
    NONE = "none"
    """Nothing is awaited, or by no hour."""


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a forecast is made from."""

    standing: Standing
    """As of now."""
    clock: OfficeClock
    awaited_at: datetime | None = None
    """When the awaited run was or will be due; None: no run can be expected by the clock."""
    run_seconds: float | None = None
    """From the due time to completion, last time; None: not known."""
    pull_seconds: tuple[float, ...] = ()
    """Of the last nights: the slowest is expected again."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Whether the next balances will be in time, in a word and in a sentence."""

    outlook: Outlook
    sentence: str
    ready_at: datetime | None = None
    """None: nobody can say."""


def forecast(prospect: Prospect, now: datetime) -> Forecast:
    """What is to be expected of an office as of `now` (aware)."""
    standing = prospect.standing
    if standing.condition is Condition.PAUSED:
        return Forecast(Outlook.NONE, "Paused: nothing is expected.")
    if standing.late_at is None:
        return Forecast(Outlook.NONE, _without_hour(standing))
    if standing.owner is not None and standing.condition in _STOPPED:
        hour = _clock(prospect, standing.late_at, now)
        if now >= standing.late_at:
            return Forecast(Outlook.MISSED, f"Missed {hour}; nothing comes unless {_ACTORS[standing.owner]}.")
        return Forecast(Outlook.WILL_MISS, f"Will miss {hour} unless {_ACTORS[standing.owner]}.")
    return _expected(prospect, standing.late_at, now)


def _without_hour(standing: Standing) -> str:
    if standing.condition is Condition.BLOCKED and standing.owner is not None:
        return f"Nothing comes unless {_ACTORS[standing.owner]}."
    return "No hour is set or known by which it must be there."


def _expected(prospect: Prospect, late_at: datetime, now: datetime) -> Forecast:
    ready_at, overrun = _ready(prospect, late_at, now)
    hour = _clock(prospect, late_at, now)
    outlook = Outlook.AT_RISK
    if now >= late_at:
        outlook, qualified = Outlook.MISSED, f"; {hour} is missed."
    elif ready_at >= late_at:
        outlook, qualified = Outlook.WILL_MISS, f", after its {hour}."
    elif prospect.standing.condition in (Condition.UNREACHABLE, Condition.SUSPECT):
        qualified = f" if the next try succeeds; wanted by {hour}."
    elif overrun:
        qualified = f", wanted by {hour}; its aging is slower than last time."
    elif late_at - ready_at < _tight(prospect):
        qualified = f", hardly before its {hour}."
    else:
        outlook, qualified = Outlook.IN_TIME, f", in time for {hour}."
    return Forecast(outlook, f"Expected by {_clock(prospect, ready_at, now)}{qualified}", ready_at)


def _ready(prospect: Prospect, late_at: datetime, now: datetime) -> tuple[datetime, bool]:
    """When the balances are expected, and whether the run takes much longer than it did."""
    pull = timedelta(seconds=max(prospect.pull_seconds, default=0.0))
    asked_at = max(prospect.standing.next_action_at or now, now)
    # A run that is due only after the hour is the one after: the awaited one is over, and its pull is what is left.
    if prospect.awaited_at is None or prospect.awaited_at >= late_at:
        return asked_at + pull, False
    run = timedelta(seconds=prospect.run_seconds or 0.0)
    complete_at = prospect.awaited_at + run
    overrun = prospect.run_seconds is not None and now - complete_at > max(run, TIGHT_MIN)
    if now < prospect.awaited_at:
        return complete_at + pull, False
    return max(complete_at, asked_at) + pull, overrun


def _tight(prospect: Prospect) -> timedelta:
    usual_seconds = (prospect.run_seconds or 0.0) + max(prospect.pull_seconds, default=0.0)
    return max(TIGHT_MIN, timedelta(seconds=TIGHT_SHARE * usual_seconds))


def _clock(prospect: Prospect, at: datetime, now: datetime) -> str:
    """On the office's clock; with the day where that is not today's."""
    local, today = prospect.clock.local(at), prospect.clock.local(now).date()
    return f"{local:%H:%M}" if local.date() == today else f"{local:%a %H:%M}"
