"""Times, amounts and the names of conditions and outcomes, as the pages show them."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from oddaemon.core.model import Condition
from oddaemon.core.office.clock import OfficeClock
from oddaemon.core.reporting.forecast import Outlook
from oddaemon.core.reporting.formatting import format_amount, format_duration
from oddaemon.core.reporting.night_history import NightOutcome

MEANINGS: Mapping[Condition, str] = {
    Condition.SUSPECT: "read, but held back: the balances do not add up or are implausible",
    Condition.BLOCKED: "someone must act",
    Condition.LATE: "past its deadline",
    Condition.UNREACHABLE: "does not answer; retried automatically",
    Condition.PULLING: "the balances are being read",
    Condition.AGING: "tonight's aging is due or running",
    Condition.WAITING: "tonight's aging is not due yet",
    Condition.FRESH: "the last aging is published",
    Condition.PAUSED: "receives no requests",
}
OUTLOOKS: Mapping[Outlook, str] = {
    Outlook.IN_TIME: "in time",
    Outlook.AT_RISK: "at risk",
    Outlook.WILL_MISS: "will miss",
    Outlook.MISSED: "missed",
    Outlook.NONE: "no forecast",
}
OUTCOMES: Mapping[NightOutcome, str] = {
    NightOutcome.IN_TIME: "in time",
    NightOutcome.LATE: "late",
    NightOutcome.MISSING: "no snapshot",
    NightOutcome.OVERDUE: "overdue",
    NightOutcome.PENDING: "pending",
    NightOutcome.NOT_DUE: "not due",
    NightOutcome.UNKNOWN: "unknown",
}
BUCKETS = (
    ("bal_0_30", "0 to 30 days"),
    ("bal_31_60", "31 to 60 days"),
    ("bal_61_90", "61 to 90 days"),
    ("bal_over_90", "over 90 days"),
)

_THOUSAND, _MILLION = 1_000, 1_000_000
TENTHS_BELOW_SECONDS = 60
"""Shorter pulls show a tenth of a second."""


def format_seconds(seconds: float) -> str:
    """The duration of a pull: "0.8 s", "3 min"."""
    if seconds < TENTHS_BELOW_SECONDS:
        return f"{seconds:.1f} s"
    return format_duration(timedelta(seconds=seconds), two_units=True)


def format_margin(early_by: timedelta) -> str:
    """The margin to the deadline: "4 h 19 min early", "12 min late"."""
    return f"{format_duration(early_by, two_units=True)} {'late' if early_by < timedelta() else 'early'}"


def format_time(at: datetime, clock: OfficeClock) -> str:
    """The time of day on the office's clock: "02:41"."""
    return f"{clock.to_local(at):%H:%M}"


def format_moment(at: datetime, clock: OfficeClock) -> str:
    """The same with its day: "Tue 3 Mar, 02:41"."""
    local = clock.to_local(at)
    return f"{local:%a} {local.day} {local:%b}, {local:%H:%M}"


def format_utc(at: datetime) -> str:
    """For machines, and to compare with logs: "2026-03-03T10:41:00Z"."""
    return f"{at.replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def format_day(when: date) -> str:
    """The name of a night: "Tue 3 Mar"."""
    return f"{when:%a} {when.day} {when:%b}"


def format_dollars(cents: int) -> str:
    """To the cent: "$1,234.50", with the minus before the dollar sign."""
    return f"{_format_sign(cents)}${format_amount(abs(cents))}"


def format_round_dollars(cents: int) -> str:
    """For an axis: "$0", "$250", "$12.5k", "$3M"."""
    whole = abs(cents) / 100
    for size, unit in ((_MILLION, "M"), (_THOUSAND, "k")):
        if whole >= size:
            return f"{_format_sign(cents)}${whole / size:g}{unit}"
    return f"{_format_sign(cents)}${whole:g}"


def _format_sign(cents: int) -> str:
    return "−" if cents < 0 else ""  # noqa: RUF001 - a minus, as wide as a digit
