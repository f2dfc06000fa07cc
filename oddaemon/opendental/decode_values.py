"""Reads the cells of a response's rows: one value in any spelling that JSON and .NET write.

Anything missing, of another meaning or not finite is rejected with a message that names the column, and never quotes a
value.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import cast

import msgspec

from oddaemon.core.dates import parse_datetime

Cell = str | int | float | bool | None

INTEGER_MIN, INTEGER_MAX = -(2**63), 2**63 - 1
TEXT_CHARACTERS_MAX = 500
"""Of one text; the longest that is ever needed is a row of nine numbers."""
_DIGITS_MAX = 30
"""Of a number that is a text: more than 64 bits hold, few enough for exact arithmetic."""
_CLOCK_YEARS = range(1969, 3002)
"""The years that a MySQL clock can show, in any version."""
_FLAGS = {"true": True, "false": False}
_CELL_DECODER = msgspec.json.Decoder(Cell)


class MalformedValue(ValueError):
    """A response that does not match its request."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its cells by the names of their columns, decoded or as received."""

    cells: Mapping[str, object] = field(repr=False)

    def get_cell(self, name: str) -> Cell:
        """The value of a column."""
        try:
            value = self.cells[name]
        except KeyError:
            raise MalformedValue(f"column {name} is missing") from None
        if isinstance(value, msgspec.Raw):
            try:
                value = _CELL_DECODER.decode(value)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                raise MalformedValue(f"column {name} is neither a text nor a number") from None
        return cast(Cell, value)

    def get_packed(self, name: str) -> str | None:
        """The rows in a packed column; None: there are none. Their number is bounded by the response alone."""
        value = self.get_cell(name)
        if value is not None and not isinstance(value, str):
            raise MalformedValue(f"column {name} is not a string")
        return value

    def get_text(self, name: str) -> str:
        """A printable text, possibly empty; a number or a flag as the office's database would write it."""
        value = self.get_cell(name)
        if isinstance(value, bool):
            return str(int(value))
        if isinstance(value, int | float):
            value = str(value)
        if not isinstance(value, str):
            raise MalformedValue(f"column {name} is not a string")
        if len(value) > TEXT_CHARACTERS_MAX:
            raise MalformedValue(f"column {name} is longer than {TEXT_CHARACTERS_MAX} characters")
        return to_printable(value)

    def get_optional_text(self, name: str) -> str:
        """A text; `''` for null, which is the value of a preference that the office does not have."""
        return "" if self.get_cell(name) is None else self.get_text(name)

    def get_integer(self, name: str) -> int:
        """A 64-bit integer, sent as an integer, a double or a text: `5`, `5.0`, `"5.00"`, `"1e2"`."""
        cell = self.get_cell(name)
        value = cell if type(cell) is int else self._get_number(name)
        # A number without a fraction equals its integer; infinity is outside the range.
        if value is not None and INTEGER_MIN <= value <= INTEGER_MAX and value == int(value):
            return int(value)
        raise MalformedValue(f"column {name} is not an integer")

    def get_flag(self, name: str) -> bool:
        """A flag: `true`, `1`, `"True"`, `"0"`."""
        value = self.get_cell(name)
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and (flag := _FLAGS.get(value.strip().casefold())) is not None:
            return flag
        return self.get_integer(name) != 0

    def get_cents(self, name: str, dollars_max: int) -> int:
        """An amount in dollars, as cents, rounded as the office's server rounds a double: half to the even cent."""
        value = self._get_number(name)
        if value is None:
            raise MalformedValue(f"column {name} is not an amount")
        if not abs(value) <= dollars_max:
            raise MalformedValue(f"column {name} is out of range")
        return round(float(value) * 100)

    def _get_number(self, name: str) -> Decimal | None:
        """The exact number; None: the column holds none, or no finite one."""
        value = self.get_cell(name)
        if isinstance(value, bool) or value is None:
            return None
        if isinstance(value, str):
            return _parse_decimal(value)
        return Decimal(value) if isinstance(value, int) or math.isfinite(value) else None

    def get_datetime_text(self, name: str) -> str:
        """The text of a date and time that may be empty, as the office's database has it."""
        text = self.get_optional_text(name)
        try:
            parse_datetime(text)
        except ValueError as error:
            raise MalformedValue(f"column {name} {error}") from None
        return text

    def get_datetime(self, name: str) -> datetime:
        """The naive date and time of a clock."""
        try:
            value = parse_datetime(self.get_text(name))
        except ValueError:
            value = None
        if value is None:
            raise MalformedValue(f"column {name} is not a date and time")
        # Some layers turn an empty value into year 1, where date arithmetic overflows.
        if value.year not in _CLOCK_YEARS:
            raise MalformedValue(f"column {name} is not a plausible date and time of a clock")
        return value


def get_texts(rows: Sequence[Row], name: str) -> list[str]:
    """A text of each row, as `Row.get_text` does. A page of ordinary texts needs no look at each of them."""
    texts = [row.cells.get(name) for row in rows]
    if all(type(text) is str for text in texts):
        plain = cast(list[str], texts)
        if max(map(len, plain), default=0) <= TEXT_CHARACTERS_MAX and "".join(plain).isprintable():
            return plain
    return [row.get_text(name) for row in rows]


def _parse_decimal(text: str) -> Decimal | None:
    """The number that a text writes; None: it writes none, or one that is too long."""
    try:
        number = Decimal(text.strip()) if len(text) <= _DIGITS_MAX and text.isascii() and "_" not in text else None
    except InvalidOperation:
        return None
    return number if number is not None and number.is_finite() and abs(number.adjusted()) < _DIGITS_MAX else None


def to_printable(text: str) -> str:
    """A text without characters that steer a terminal or turn the order of a line."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else " " if each.isspace() else "\ufffd" for each in text)
