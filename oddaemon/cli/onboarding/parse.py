"""Settings of an office as texts: the cells of a row, or what was typed at a prompt or as an option."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from oddaemon.settings import Secret

NEVER = "never"
"""For `fresh_by`, where an empty text means the default."""
BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_SEPARATOR = re.compile(r"[;,\s]+")


def parse_cells(cells: Mapping[str, str]) -> dict[str, Any]:
    """The cells of one office as a table of the configuration, without those that are empty or have no name.

    What cannot be parsed stays text, which validation rejects.
    """
    return {name: _PARSERS.get(name, str)(cell) for name, cell in cells.items() if name and cell}


def _parse_key(cell: str) -> Secret:
    """A key; an apostrophe before it only marks it as text for a spreadsheet."""
    return Secret(cell.removeprefix("'"))


def _parse_clinics(cell: str) -> list[Any]:
    """ClinicNums separated by spaces, commas or semicolons."""
    return [
        int(part) if part.isascii() and part.isdecimal() else part for part in _SEPARATOR.split(cell.strip()) if part
    ]


def _parse_labels(cell: str) -> dict[str, Any]:
    """Labels from `key=value`, separated by semicolons; without `=` the value is None, which validation rejects."""
    pairs = (pair.partition("=") for pair in cell.split(";") if pair.strip())
    return {name.strip(): text.strip() if equals else None for name, equals, text in pairs}


def _parse_fresh_by(cell: str) -> str:
    """A time of day, unchanged; `never` becomes empty, which disables the deadline."""
    return "" if cell.strip().casefold() == NEVER else cell.strip()


def _parse_number(cell: str) -> float | str:
    try:
        return float(cell)
    except ValueError:
        return cell


_PARSERS: Mapping[str, Callable[[str], object]] = {
    "customer_key": _parse_key,
    "clinics": _parse_clinics,
    "labels": _parse_labels,
    "enabled": lambda cell: BOOLEANS.get(cell.lower(), cell),
    "fresh_by": _parse_fresh_by,
    "min_interval_seconds": _parse_number,
}
"""Of the settings that are not plain text."""
