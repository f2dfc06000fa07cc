"""Instants and conditions as text for people. Instants are in the time zone of this machine."""

from datetime import datetime, timedelta

from oddaemon.core.model import Condition
from oddaemon.core.reporting.formatting import format_duration

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
OVERDUE_AFTER = timedelta(seconds=60)
"""A working daemon starts every action sooner."""


def format_relative(at: datetime, now: datetime) -> str:
    """How far an instant is ahead: "in 12 min"; "now" when it has come; "5 min ago" if the action is overdue."""
    if now - at > OVERDUE_AFTER:
        return f"{format_duration(now - at)} ago"
    return f"in {format_duration(at - now)}" if at - now >= timedelta(seconds=1) else "now"


def format_instant(at: datetime) -> str:
    """An instant in local time with its zone: "2026-03-08 02:14:09 EST"."""
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S %Z}"
