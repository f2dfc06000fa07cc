"""Settings of an office as typed in one line or one cell."""

import re
from collections.abc import Iterable
from typing import Any

NEVER = "never"
"""For `fresh_by`, where an empty text means the default."""
_SEPARATOR = re.compile(r"[;,\s]+")


def parse_clinics(text: str) -> list[Any]:
    """ClinicNums separated by spaces, commas or semicolons; anything else stays text, which validation rejects."""
    return [
        int(part) if part.isascii() and part.isdecimal() else part for part in _SEPARATOR.split(text.strip()) if part
    ]


def parse_labels(parts: Iterable[str]) -> dict[str, Any]:
    """Labels from `key=value`, separated by semicolons; without `=` the value is None, which validation rejects."""
    pairs = (pair.partition("=") for part in parts for pair in part.split(";") if pair.strip())
    return {name.strip(): text.strip() if equals else None for name, equals, text in pairs}


def parse_fresh_by(text: str) -> str:
    """A time of day, unchanged; `never` becomes empty, which disables the deadline."""
    return "" if text.strip().casefold() == NEVER else text.strip()
