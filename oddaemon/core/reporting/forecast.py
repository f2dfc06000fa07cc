"""When an office's next balances will be there, and whether that is in time: from what its last nights took.

A forecast is a guess and says so in its words; it decides nothing. Its times are on the office's own clock, and none
of them counts from now: a sentence that is true stays true until something happens.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from oddaemon.core.model import Condition, Owner, Status
from oddaemon.core.office.clock import OfficeClock

MARGIN_MIN = timedelta(minutes=15)
"""With less left before its hour an office is at risk, however quick it usually is."""
MARGIN_SHARE = 0.25
"""The same, as a share of what its aging and its pull take."""
_NEEDS_OWNER = frozenset({Condition.BLOCKED, Condition.WAITING, Condition.AGING, Condition.LATE})
"""Where somebody must act here, nothing comes by itself."""
_OWNER_ACTS = {Owner.US: "we act", Owner.OFFICE: "the office acts", Owner.VENDOR: "Open Dental acts"}


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
class ForecastInput:
    """What a forecast is made from."""

    status: Status
    """As of now."""
    clock: OfficeClock
    pending_due_at: datetime | None = None
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


def make_forecast(forecast_input: ForecastInput, now: datetime) -> Forecast:
    """What is to be expected of an office as of `now` (aware)."""
    status = forecast_input.status
    if status.condition is Condition.PAUSED:
        return Forecast(Outlook.NONE, "Paused: nothing is expected.")
    if status.late_at is None:
        return Forecast(Outlook.NONE, _explain_no_deadline(status))
    if status.owner is not None and status.condition in _NEEDS_OWNER:
        deadline = _format_time(forecast_input, status.late_at, now)
        if now >= status.late_at:
            return Forecast(Outlook.MISSED, f"Missed {deadline}; nothing comes unless {_OWNER_ACTS[status.owner]}.")
        return Forecast(Outlook.WILL_MISS, f"Will miss {deadline} unless {_OWNER_ACTS[status.owner]}.")
    return _forecast_arrival(forecast_input, status.late_at, now)


def _explain_no_deadline(status: Status) -> str:
    if status.condition is Condition.BLOCKED and status.owner is not None:
        return f"Nothing comes unless {_OWNER_ACTS[status.owner]}."
    return "No hour is set or known by which it must be there."


def _forecast_arrival(forecast_input: ForecastInput, late_at: datetime, now: datetime) -> Forecast:
    ready_at, overrun = _estimate_ready_at(forecast_input, late_at, now)
    deadline = _format_time(forecast_input, late_at, now)
    outlook = Outlook.AT_RISK
    if now >= late_at:
        outlook, suffix = Outlook.MISSED, f"; {deadline} is missed."
    elif ready_at >= late_at:
        outlook, suffix = Outlook.WILL_MISS, f", after its {deadline}."
    elif forecast_input.status.condition in (Condition.UNREACHABLE, Condition.SUSPECT):
        suffix = f" if the next try succeeds; wanted by {deadline}."
    elif overrun:
        suffix = f", wanted by {deadline}; its aging is slower than last time."
    elif late_at - ready_at < _compute_margin(forecast_input):
        suffix = f", hardly before its {deadline}."
    else:
        outlook, suffix = Outlook.IN_TIME, f", in time for {deadline}."
    return Forecast(outlook, f"Expected by {_format_time(forecast_input, ready_at, now)}{suffix}", ready_at)


def _estimate_ready_at(forecast_input: ForecastInput, late_at: datetime, now: datetime) -> tuple[datetime, bool]:
    """When the balances are expected, and whether the run takes much longer than it did."""
    pull = timedelta(seconds=max(forecast_input.pull_seconds, default=0.0))
    next_request_at = max(forecast_input.status.next_action_at or now, now)
    # A run that is due only after the hour is the one after: the awaited one is over, and its pull is what is left.
    if forecast_input.pending_due_at is None or forecast_input.pending_due_at >= late_at:
        return next_request_at + pull, False
    run = timedelta(seconds=forecast_input.run_seconds or 0.0)
    complete_at = forecast_input.pending_due_at + run
    overrun = forecast_input.run_seconds is not None and now - complete_at > max(run, MARGIN_MIN)
    if now < forecast_input.pending_due_at:
        return complete_at + pull, False
    return max(complete_at, next_request_at) + pull, overrun


def _compute_margin(forecast_input: ForecastInput) -> timedelta:
    usual_seconds = (forecast_input.run_seconds or 0.0) + max(forecast_input.pull_seconds, default=0.0)
    return max(MARGIN_MIN, timedelta(seconds=MARGIN_SHARE * usual_seconds))


def _format_time(forecast_input: ForecastInput, at: datetime, now: datetime) -> str:
    """On the office's clock; with the day where that is not today's."""
    local, today = forecast_input.clock.to_local(at), forecast_input.clock.to_local(now).date()
    return f"{local:%H:%M}" if local.date() == today else f"{local:%a %H:%M}"
