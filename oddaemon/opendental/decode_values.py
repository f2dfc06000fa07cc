"""Reads the cells of a response's rows, strictly.

Anything missing, of the wrong type or not finite is rejected with a message that quotes neither a balance nor a key.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

Cell = str | int | float | None

_DIGITS = re.compile(r"-?[0-9]{1,19}")
INTEGER_MIN, INTEGER_MAX = -(2**63), 2**63 - 1
_CLOCK_YEARS = range(1969, 3002)
"""The years that a MySQL clock can show, in any version."""
ROWS_MAX = 20_000
"""Twice the API's limit."""


class MalformedValue(ValueError):
    """A response that does not match its request."""


def require_row_limit(body: bytes) -> None:
    """Reject a body with too many rows before it is decoded: an empty row takes 24 times its text in memory.

    Raises:
        MalformedValue: It has more rows than the API returns.
    """
    if body.count(b"{") > ROWS_MAX:
        raise MalformedValue(f"the response has more than {ROWS_MAX:,} rows")


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its cells by the names of their columns."""

    cells: Mapping[str, Cell] = field(repr=False)

    def get_cell(self, name: str) -> Cell:
        """The value of a column."""
        try:
            return self.cells[name]
        except KeyError:
            raise MalformedValue(f"column {name} is missing") from None

    def get_text(self, name: str) -> str:
        """A string, possibly empty."""
        value = self.get_cell(name)
        if not isinstance(value, str):
            raise MalformedValue(f"column {name} is not a string")
        return value

    def get_optional_text(self, name: str) -> str:
        """A string; `''` for null, which is the value of a preference that the office does not have."""
        return "" if self.get_cell(name) is None else self.get_text(name)

    def get_integer(self, name: str) -> int:
        """A 64-bit integer, sent as an integer, a double or a string."""
        value = self.get_cell(name)
        if (isinstance(value, float) and value.is_integer()) or (isinstance(value, str) and _DIGITS.fullmatch(value)):
            value = int(value)
        if isinstance(value, int) and INTEGER_MIN <= value <= INTEGER_MAX:
            return value
        raise MalformedValue(f"column {name} is not an integer")

    def get_datetime(self, name: str) -> datetime:
        """The naive date and time of a clock."""
        try:
            value = datetime.fromisoformat(self.get_text(name)).replace(tzinfo=None)
        except ValueError:
            raise MalformedValue(f"column {name} is not a date and time") from None
        # Some layers turn an empty value into year 1, where date arithmetic overflows.
        if value.year not in _CLOCK_YEARS:
            raise MalformedValue(f"column {name} is not a plausible date and time of a clock")
        return value
