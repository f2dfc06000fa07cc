"""Sentences that name the command to run next, for errors below the command line."""

from datetime import date

START_DAEMON = "Start the daemon (`oddaemon run`), which creates it, or check --config."
START_DAEMON_ONCE = "Start the daemon once: `oddaemon run` creates the tables."
LIST_OFFICES = "`oddaemon status` lists all offices."
REPEAT_BACKFILL = "Run the same `oddaemon backfill` again to read the day from the beginning."


def suggest_explain(office_id: str) -> str:
    """Why an office has no snapshot."""
    return f"See `oddaemon explain {office_id}`."


def suggest_history(office_id: str) -> str:
    """Which days an office has."""
    return f"`oddaemon history {office_id}` lists all days."


def suggest_backfill(office_id: str, day: date) -> str:
    """How to read a past day."""
    return f"`oddaemon backfill {office_id} --as-of {day}` reads a past day."
