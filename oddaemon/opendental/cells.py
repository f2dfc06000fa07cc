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


class MalformedError(ValueError):
    """An answer that is not what was asked for."""


def require_few_rows(body: bytes) -> None:
    """Before a body is decoded: a row of nothing takes two dozen times its text in memory.

    Raises:
        MalformedError: It holds more rows than any answer does.
    """
    if body.count(b"{") > ROWS_MAX:
        raise MalformedError(f"the answer holds more than {ROWS_MAX:,} rows")


def cell(row: Row, name: str) -> Cell:
    """Whatever stands there."""
    try:
        return row[name]
    except KeyError:
        raise MalformedError(f"column {name} is missing") from None


def text_of(row: Row, name: str) -> str:
    """A text, empty or not."""
    value = cell(row, name)
    if not isinstance(value, str):
        raise MalformedError(f"column {name} is not a text")
    return value


def optional_text(row: Row, name: str) -> str:
    """A preference that the office does not have is null."""
    return "" if cell(row, name) is None else text_of(row, name)


def integer(row: Row, name: str) -> int:
    """An integer of 64 bits, whether it came as one, as a double or as text."""
    value = cell(row, name)
    if (isinstance(value, float) and value.is_integer()) or (isinstance(value, str) and _DIGITS.fullmatch(value)):
        value = int(value)
    if isinstance(value, int) and INTEGER_MIN <= value <= INTEGER_MAX:
        return value
    raise MalformedError(f"column {name} is not an integer")


def moment(row: Row, name: str) -> datetime:
    """A date and time of a running clock, naive."""
    try:
        shown = datetime.fromisoformat(text_of(row, name)).replace(tzinfo=None)
    except ValueError:
        raise MalformedError(f"column {name} is not a date and time") from None
    # An empty value that some layer made the first day of the calendar is no clock, and arithmetic falls off its edge.
    if shown.year not in _CLOCK_YEARS:
        raise MalformedError(f"column {name} is not a date and time of a running clock")
    return shown
