"""Sentences that name the command to run next, for errors below the command line."""

from collections.abc import Iterable
from datetime import date

from oddaemon.core.suggestions import find_nearest

START_DAEMON = "Start the daemon (`oddaemon run`), which creates it, or check --config."
START_DAEMON_ONCE = "Start the daemon once: `oddaemon run` creates the tables."
LIST_OFFICES = "`oddaemon office list` lists all offices."
REPEAT_BACKFILL = "Run the same `oddaemon backfill` again to read the day from the beginning."


def describe_unknown_office(office_id: str, known: Iterable[str] = ()) -> tuple[str, str]:
    """That there is no such office; and which of the known ids may be meant, or where all are listed."""
    near = find_nearest(office_id, known)
    return f"There is no office {office_id!r}.", f"Did you mean `{near}`?" if near else LIST_OFFICES


def suggest_explain(office_id: str) -> str:
    """Why an office has no snapshot."""
    return f"See `oddaemon explain {office_id}`."


def suggest_history(office_id: str) -> str:
    """Which days an office has."""
    return f"`oddaemon history {office_id}` lists all days."


def suggest_backfill(office_id: str, day: date) -> str:
    """How to read a past day."""
    return f"`oddaemon backfill {office_id} --as-of {day}` reads a past day."
