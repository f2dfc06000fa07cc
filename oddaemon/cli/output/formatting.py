"""Times and amounts in words for people. All times are shown on the clock of whoever reads them."""

from datetime import datetime, timedelta

from oddaemon.core.model import Condition

MINUTE_SECONDS = 60
HOUR_SECONDS = 3600
DAY_SECONDS = 86_400
TENTHS_BELOW_SECONDS = 10
"""What is shorter is told with a tenth."""

CONDITION_STYLES = {
    Condition.SUSPECT: "bold red",
    Condition.BLOCKED: "red",
    Condition.LATE: "magenta",
    Condition.UNREACHABLE: "yellow",
    Condition.PULLING: "cyan",
    Condition.AGING: "blue",
    Condition.WAITING: "default",
    Condition.FRESH: "green",
    Condition.PAUSED: "dim",
}


def format_duration(length: timedelta) -> str:
    """About how long: "12 s", "5 min", "3 h", "2 d"."""
    seconds = round(abs(length.total_seconds()))
    if seconds < MINUTE_SECONDS:
        return f"{seconds} s"
    if seconds < HOUR_SECONDS:
        return f"{seconds // MINUTE_SECONDS} min"
    if seconds < 2 * DAY_SECONDS:
        return f"{seconds // HOUR_SECONDS} h"
    return f"{seconds // DAY_SECONDS} d"


def format_seconds(seconds: float) -> str:
    """The same of something short: "0.25 s", "3.1 s", "5 min"."""
    if seconds < 1:
        return f"{seconds:.2f} s"
    return f"{seconds:.1f} s" if seconds < TENTHS_BELOW_SECONDS else format_duration(timedelta(seconds=seconds))


OVERDUE_AFTER = timedelta(seconds=60)
"""A daemon at work does not let that much pass."""


def format_relative(at: datetime, now: datetime) -> str:
    """How far an instant is ahead: "in 12 min"; "now" when it has come; "5 min ago" where nobody did anything then."""
    if now - at > OVERDUE_AFTER:
        return f"{format_duration(now - at)} ago"
    return f"in {format_duration(at - now)}" if at - now >= timedelta(seconds=1) else "now"


def format_instant(at: datetime) -> str:
    """An instant as the reader's clock shows it, with its zone: "2026-03-08 02:14:09 EST"."""
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S %Z}"


def format_dollars(cents: int) -> str:
    """Cents for a person's eye: "1,234.50"."""
    whole, rest = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}{whole:,}.{rest:02d}"
