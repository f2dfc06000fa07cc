"""Formats counts, durations, amounts and instants: for people, and for the documents that programs read."""

from datetime import UTC, datetime, timedelta

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
TENTHS_BELOW_SECONDS = 10
"""Shorter durations show a tenth of a second."""


def format_count(number: int, noun: str) -> str:
    """A number and its noun: "1 office", "4,132 offices"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def format_duration(length: timedelta, *, two_units: bool = False) -> str:
    """A duration in its largest unit: "12 s", "5 min", "47 h", "2 d"; or from an hour on in two: "1 d 23 h"."""
    seconds = round(abs(length.total_seconds()))
    if seconds < _MINUTE:
        return f"{seconds} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE} min"
    in_hours = seconds < (_DAY if two_units else 2 * _DAY)
    size, unit, part_size, part_unit = (_HOUR, "h", _MINUTE, "min") if in_hours else (_DAY, "d", _HOUR, "h")
    part = seconds % size // part_size if two_units else 0
    return f"{seconds // size} {unit}" + (f" {part} {part_unit}" if part else "")


def format_seconds(seconds: float) -> str:
    """A short duration: "0.25 s", "3.1 s", "5 min"."""
    if seconds < 1:
        return f"{seconds:.2f} s"
    return f"{seconds:.1f} s" if seconds < TENTHS_BELOW_SECONDS else format_duration(timedelta(seconds=seconds))


def format_amount(cents: int) -> str:
    """Cents as an amount with thousands separators: "1,234.50"."""
    whole, rest = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}{whole:,}.{rest:02d}"


def format_money(cents: int) -> str:
    """Cents as a decimal string for documents: 123450 is "1234.50", -5 is "-0.05"."""
    whole, rest = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}{whole}.{rest:02d}"


def format_instant(at: datetime) -> str:
    """RFC 3339 in UTC to the millisecond: "2026-03-08T07:00:00.000Z"; such strings sort as their instants do.

    Raises:
        ValueError: `at` is naive: its zone is unknown.
    """
    if at.tzinfo is None:
        raise ValueError(f"{at.isoformat()} has no zone: only aware instants are published")
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def format_optional_instant(at: datetime | None) -> str | None:
    """The same; None: there is none."""
    return None if at is None else format_instant(at)
