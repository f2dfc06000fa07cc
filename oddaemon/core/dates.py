"""Parses the dates and times of Open Dental's preferences. An empty text and its zero date (0001-01-01) mean None."""

import re
from datetime import date, datetime, time


def parse_date(text: str) -> date | None:
    """Parse yyyy-MM-dd, with or without midnight. Raises ValueError, whose text is a clause, for anything else."""
    text = text.strip()
    if not text or text.startswith("0001-01-01"):
        return None
    match = re.fullmatch(r"(\d{4}-\d{2}-\d{2})(?:[T ]00:00(?::00)?)?", text)
    try:
        return date.fromisoformat(match[1] if match else "")
    except ValueError:
        raise ValueError(f"{text[:40]!r} is not a date") from None


def parse_datetime(text: str) -> datetime | None:
    """Parse a naive datetime on the office's clock."""
    text = text.strip()
    if not text or text.startswith("0001-01-01"):
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        raise ValueError(f"{text[:40]!r} is not a date and time") from None


def parse_due_time(text: str) -> time | None:
    """Parse the time of day of the automated run; only the zero date without a time is None: no time is set."""
    text = text.strip()
    if re.fullmatch(r"(0001-01-01([T ]00:00(:00)?)?)?", text):
        return None
    try:
        return time.fromisoformat(re.split(r"[T ]", text)[-1]).replace(tzinfo=None)
    except ValueError:
        raise ValueError(f"{text[:40]!r} is not a time of day") from None
