"""Counts, durations and amounts as text for people; the command line and the pages share them."""

from datetime import timedelta

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
TENTHS_BELOW_SECONDS = 10
"""Shorter durations show a tenth of a second."""


def format_count(number: int, noun: str) -> str:
    """A number and its noun: "1 office", "4,132 offices"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def format_duration(length: timedelta) -> str:
    """A duration in its largest unit: "12 s", "5 min", "3 h", "2 d"; hours up to two days."""
    seconds = round(abs(length.total_seconds()))
    for unit, size, limit in (("s", 1, _MINUTE), ("min", _MINUTE, _HOUR), ("h", _HOUR, 2 * _DAY)):
        if seconds < limit:
            return f"{seconds // size} {unit}"
    return f"{seconds // _DAY} d"


def format_seconds(seconds: float) -> str:
    """A short duration: "0.25 s", "3.1 s", "5 min"."""
    if seconds < 1:
        return f"{seconds:.2f} s"
    return f"{seconds:.1f} s" if seconds < TENTHS_BELOW_SECONDS else format_duration(timedelta(seconds=seconds))


def format_amount(cents: int) -> str:
    """Cents as an amount with thousands separators: "1,234.50"."""
    whole, rest = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}{whole:,}.{rest:02d}"
