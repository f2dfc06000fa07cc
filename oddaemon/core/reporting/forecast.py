"""Forecasts when an office's next balances will be ready, and whether in time, from the durations of its last nights.

A forecast is an estimate and decides nothing. Its times are on the office's own clock and never relative to now, so a
sentence stays true until something happens.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from oddaemon.core.model import Condition, Owner, Status
from oddaemon.core.office.clock import OfficeClock

MARGIN_MIN = timedelta(minutes=15)
"""An office with less time before its deadline is at risk, however fast it usually is."""
MARGIN_SHARE = 0.25
"""The same margin, as a share of the duration of aging and pull."""
_NEEDS_OWNER = frozenset({Condition.BLOCKED, Condition.WAITING, Condition.AGING, Condition.LATE})
"""In these conditions, nothing arrives before the owner acts."""
_OWNER_ACTS = {Owner.US: "you act", Owner.OFFICE: "the office acts", Owner.VENDOR: "Open Dental acts"}


class Outlook(StrEnum):
    """Whether the next balances will be in time."""

    IN_TIME = "in_time"
    AT_RISK = "at_risk"
    WILL_MISS = "will_miss"
    MISSED = "missed"
    """The deadline has passed."""
    NONE = "none"
    """Nothing is pending, or there is no deadline."""


@dataclass(frozen=True, slots=True)
class ForecastInput:
    """What a forecast is made from."""

    status: Status
    """As of now."""
    clock: OfficeClock
    pending_due_at: datetime | None = None
    """When the pending run was or will be due; None: not known."""
    run_seconds: float | None = None
    """From the due time to completion, last time; None: not known."""
    pull_seconds: tuple[float, ...] = ()
    """Of the last nights: the slowest duration is expected."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Whether the next balances will be in time, as a value and as a sentence."""

    outlook: Outlook
    sentence: str
    ready_at: datetime | None = None
    """None: not known."""


def make_forecast(forecast_input: ForecastInput, now: datetime) -> Forecast:
    """Forecast the next balances of an office as of `now` (aware)."""
    status = forecast_input.status
    if status.condition is Condition.PAUSED:
        return Forecast(Outlook.NONE, "Paused: no balances are expected.")
    if status.late_at is None:
        return Forecast(Outlook.NONE, _explain_no_deadline(status))
    if status.owner is not None and status.condition in _NEEDS_OWNER:
        deadline = _format_time(forecast_input, status.late_at, now)
        if now >= status.late_at:
            return Forecast(
                Outlook.MISSED, f"Missed {deadline}; no balances arrive unless {_OWNER_ACTS[status.owner]}."
            )
        return Forecast(Outlook.WILL_MISS, f"Will miss {deadline} unless {_OWNER_ACTS[status.owner]}.")
    return _forecast_arrival(forecast_input, status.late_at, now)


def _explain_no_deadline(status: Status) -> str:
    if status.condition is Condition.BLOCKED and status.owner is not None:
        return f"No balances arrive unless {_OWNER_ACTS[status.owner]}."
    return "No deadline is set or known."


def _forecast_arrival(forecast_input: ForecastInput, late_at: datetime, now: datetime) -> Forecast:
    ready_at, overrun = _estimate_ready_at(forecast_input, late_at, now)
    deadline = _format_time(forecast_input, late_at, now)
    outlook = Outlook.AT_RISK
    if now >= late_at:
        outlook, suffix = Outlook.MISSED, f"; its deadline {deadline} is missed."
    elif ready_at >= late_at:
        outlook, suffix = Outlook.WILL_MISS, f", after its deadline {deadline}."
    elif forecast_input.status.condition in (Condition.UNREACHABLE, Condition.SUSPECT):
        suffix = f" if the next attempt succeeds; due by {deadline}."
    elif overrun:
        suffix = f", due by {deadline}; aging is slower than last time."
    elif late_at - ready_at < _compute_margin(forecast_input):
        suffix = f", just before its deadline {deadline}."
    else:
        outlook, suffix = Outlook.IN_TIME, f", in time for {deadline}."
    return Forecast(outlook, f"Expected by {_format_time(forecast_input, ready_at, now)}{suffix}", ready_at)


def _estimate_ready_at(forecast_input: ForecastInput, late_at: datetime, now: datetime) -> tuple[datetime, bool]:
    """Estimate when the balances are ready, and whether the run takes much longer than last time."""
    pull = timedelta(seconds=max(forecast_input.pull_seconds, default=0.0))
    next_request_at = max(forecast_input.status.next_action_at or now, now)
    # A run that is due after the deadline is the next one: the pending run is over, and only its pull is left.
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
    """Format a time on the office's clock; with the weekday if it is not today."""
    local, today = forecast_input.clock.to_local(at), forecast_input.clock.to_local(now).date()
    return f"{local:%H:%M}" if local.date() == today else f"{local:%a %H:%M}"
