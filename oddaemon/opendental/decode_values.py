"""The rows of an answer and each cell of them, and nothing that only looks like a value.

Whatever is missing, of the wrong type or not finite is refused with a sentence that holds neither a balance nor a key.
"""

import re
from collections.abc import Mapping
from datetime import datetime

Cell = str | int | float | None
Row = Mapping[str, Cell]

_DIGITS = re.compile(r"-?[0-9]{1,19}")
INTEGER_MIN, INTEGER_MAX = -(2**63), 2**63 - 1
_CLOCK_YEARS = range(1969, 3002)
"""Of MySQL's clock: from the epoch to the end of its newest versions'."""
ROWS_MAX = 20_000
"""Twice what the API lets into any answer."""


class MalformedValue(ValueError):
    """An answer that is not what was asked for."""


def require_row_limit(body: bytes) -> None:
    """Before a body is decoded: a row of nothing takes two dozen times its text in memory.

    Raises:
        MalformedError: It holds more rows than any answer does.
    """
    if body.count(b"{") > ROWS_MAX:
        raise MalformedValue(f"the answer holds more than {ROWS_MAX:,} rows")


def get_cell(row: Row, name: str) -> Cell:
    """Whatever stands there."""
    try:
        return row[name]
    except KeyError:
        raise MalformedValue(f"column {name} is missing") from None


def get_text(row: Row, name: str) -> str:
    """A text, empty or not."""
    value = get_cell(row, name)
    if not isinstance(value, str):
        raise MalformedValue(f"column {name} is not a text")
    return value


def get_optional_text(row: Row, name: str) -> str:
    """A preference that the office does not have is null."""
    return "" if get_cell(row, name) is None else get_text(row, name)


def get_integer(row: Row, name: str) -> int:
    """An integer of 64 bits, whether it came as one, as a double or as text."""
    value = get_cell(row, name)
    if (isinstance(value, float) and value.is_integer()) or (isinstance(value, str) and _DIGITS.fullmatch(value)):
        value = int(value)
    if isinstance(value, int) and INTEGER_MIN <= value <= INTEGER_MAX:
        return value
    raise MalformedValue(f"column {name} is not an integer")


def get_datetime(row: Row, name: str) -> datetime:
    """A date and time of a running clock, naive."""
    try:
        value = datetime.fromisoformat(get_text(row, name)).replace(tzinfo=None)
    except ValueError:
        raise MalformedValue(f"column {name} is not a date and time") from None
    # An empty value that some layer made the first day of the calendar is no clock, and arithmetic falls off its edge.
    if value.year not in _CLOCK_YEARS:
        raise MalformedValue(f"column {name} is not a date and time of a running clock")
    return value
