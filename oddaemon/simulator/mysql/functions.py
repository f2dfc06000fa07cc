"""MySQL functions that SQLite lacks or defines differently.

Arguments and results are SQLite values: None, int, float, str. Dates are text in MySQL's notation.
"""

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from zlib import crc32

from oddaemon.simulator.model.balances import round_half_even

Value = None | int | float | str

EXPONENT_FROM: Final = 1e15  # from this value on, MySQL writes a double with an exponent
EXPONENT_BELOW: Final = 1e-15  # below this value, too
DATE_LENGTH: Final = len("yyyy-MM-dd")
ZERO_DATE: Final = "0000-00-00"
SECONDS_PER_UNIT: Final = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86400, "WEEK": 604800}


def to_text(value: Value) -> str | None:
    """The value in MySQL's text form: a double with an integer value has no point, and minus zero is `-0`.

    MySQL writes a rounded double beyond `EXPONENT_FROM` without an exponent. This function always writes
    one there, because it cannot know whether a value was rounded.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(value)
    if value.is_integer() and abs(value) < EXPONENT_FROM:
        return f"{value:.0f}"
    shortest = Decimal(repr(value))
    if EXPONENT_BELOW <= abs(value) < EXPONENT_FROM:
        return f"{shortest:f}"
    return f"{shortest.normalize():e}".replace("e+", "e")


def to_number(value: Value) -> int | float | None:
    """The value as a number; for a text, its numeric beginning."""
    if not isinstance(value, str):
        return value
    digits = value.strip()
    for end in range(len(digits), 0, -1):
        try:
            return float(digits[:end])
        except ValueError:
            continue
    return 0.0


def concat(*parts: Value) -> str | None:
    """NULL if any part is NULL."""
    if None in parts:
        return None
    return "".join([to_text(part) or "" for part in parts])


def concat_ws(separator: Value, *parts: Value) -> str | None:
    """Skips NULL parts; NULL only if the separator is NULL."""
    joint = to_text(separator)
    return None if joint is None else joint.join([to_text(part) or "" for part in parts if part is not None])


def round_to(value: Value, decimals: Value = 0) -> int | float | None:
    """Rounds ties to even; a double stays a double."""
    exact = to_number(value)
    places = to_number(decimals)
    if exact is None or places is None:
        return None
    if isinstance(exact, int) and places >= 0:
        return exact
    if not places:
        return round_half_even(exact)
    scale = 10.0 ** int(places)
    rounded = round_half_even(exact * scale) / scale
    return int(rounded) if isinstance(exact, int) else rounded


def truncate(value: Value, decimals: Value) -> float | None:
    """Truncates towards zero."""
    exact, places = to_number(value), to_number(decimals)
    if exact is None or places is None:
        return None
    scale = 10.0 ** int(places)
    return math.trunc(exact * scale) / scale


def cast_signed(value: Value) -> int | None:
    """`CAST(x AS SIGNED)`: a double is rounded, a text is cut at the first character that is not a digit."""
    if isinstance(value, str):
        return math.trunc(to_number(value) or 0)
    return None if value is None else int(round_half_even(value))


def div(dividend: Value, divisor: Value) -> int | None:
    """`DIV`: truncates towards zero; division by zero is NULL."""
    upper, lower = to_number(dividend), to_number(divisor)
    if upper is None or not lower:
        return None
    if isinstance(upper, int) and isinstance(lower, int):
        quotient = abs(upper) // abs(lower)
        return quotient if (upper < 0) == (lower < 0) else -quotient
    return math.trunc(upper / lower)


def mod(dividend: Value, divisor: Value) -> int | float | None:
    """`MOD`: has the dividend's sign; division by zero is NULL."""
    upper, lower = to_number(dividend), to_number(divisor)
    if upper is None or not lower:
        return None
    if isinstance(upper, int) and isinstance(lower, int):
        return abs(upper) % abs(lower) * (1 if upper >= 0 else -1)
    return math.fmod(upper, lower)


def substring(value: Value, start: Value, length: Value = None) -> str | None:
    """Positions count from one, negative ones from the end; position zero gives an empty text."""
    written, first, wanted = to_text(value), to_number(start), to_number(math.inf if length is None else length)
    if written is None or first is None or wanted is None:
        return None
    begin = int(first) - 1 if first > 0 else len(written) + int(first)
    if not first or begin < 0 or wanted < 1:
        return ""
    return written[begin:] if wanted == math.inf else written[begin : begin + int(wanted)]


def left(value: Value, length: Value) -> str | None:
    """The first characters."""
    return None if length is None else substring(value, 1, length)


def right(value: Value, length: Value) -> str | None:
    """The last characters."""
    written, wanted = to_text(value), to_number(length)
    if written is None or wanted is None:
        return None
    return written[-int(wanted) :] if wanted >= 1 else ""


def add_interval(value: Value, amount: Value, unit: str) -> str | None:
    """`DATE_ADD` for units of fixed length; the result has a time unless both are whole days."""
    instant, count = _parse_instant(value), to_number(amount)
    if instant is None or count is None:
        return None
    seconds = SECONDS_PER_UNIT[unit]
    shifted = instant + timedelta(seconds=count * seconds)
    whole_days = len(to_text(value) or "") == DATE_LENGTH and seconds % SECONDS_PER_UNIT["DAY"] == 0
    return shifted.date().isoformat() if whole_days else shifted.isoformat(" ", "seconds")


def timestamp_difference(unit: str, start: Value, end: Value) -> int | None:
    """`TIMESTAMPDIFF`: whole units from start to end, truncated towards zero."""
    first, last = _parse_instant(start), _parse_instant(end)
    if first is None or last is None:
        return None
    return math.trunc((last - first).total_seconds() / SECONDS_PER_UNIT[unit])


def _make_text_function(function: Callable[[str], Value]) -> Callable[[Value], Value]:
    """The function for a value of any type; NULL gives NULL."""

    def call(value: Value) -> Value:
        written = to_text(value)
        return None if written is None else function(written)

    return call


def _make_date_function(function: Callable[[datetime], str]) -> Callable[[Value], Value]:
    """The function for a value of any type; a value that is not a date gives NULL."""

    def call(value: Value) -> Value:
        instant = _parse_instant(value)
        return None if instant is None else function(instant)

    return call


def _parse_instant(value: Value) -> datetime | None:
    written = to_text(value)
    if not written or written.startswith(ZERO_DATE):
        return None
    try:
        return datetime.fromisoformat(written).replace(tzinfo=None)
    except ValueError:
        return None


class GroupConcat:
    """MySQL's `GROUP_CONCAT`, for SQLite versions without ORDER BY inside an aggregate.

    It collects, sorts at the end, joins, and silently cuts at a number of bytes.

    Args:
        bytes_max: The server's `group_concat_max_len`.
    """

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._items: list[tuple[str, tuple[Value, ...]]] = []
        self._separator = ","
        self._distinct = False
        self._directions = ""

    def step(self, separator: str, distinct: int, directions: str, value: Value, *keys: Value) -> None:
        """Add one row. `directions` has one `a` or `d` for each sort key."""
        written = to_text(value)
        if written is None:
            return
        self._separator, self._distinct, self._directions = separator, bool(distinct), directions
        self._items.append((written, keys))

    def finalize(self) -> str | None:
        """The joined text; None if no row had a value."""
        if not self._items:
            return None
        for place in reversed(range(len(self._directions))):
            self._items.sort(key=lambda item: _sort_key(item[1][place]), reverse=self._directions[place] == "d")
        values = [value for value, _ in self._items]
        if self._distinct:
            values = list({value.casefold(): value for value in reversed(values)}.values())[::-1]
        return self._separator.join(values).encode()[: self._bytes_max].decode(errors="ignore")


def _sort_key(value: Value) -> tuple[int, int | float | str]:
    match value:
        case None:
            return 0, 0
        case str():
            return 2, value.casefold()
        case _:
            return 1, value


FUNCTIONS: Final[dict[str, Callable[..., Value]]] = {
    "my_text": to_text,
    "my_number": to_number,
    "my_concat": concat,
    "my_concat_ws": concat_ws,
    "my_round": round_to,
    "my_truncate": truncate,
    "my_signed": cast_signed,
    "my_div": div,
    "my_mod": mod,
    "my_crc32": _make_text_function(lambda text: crc32(text.encode())),
    "my_substring": substring,
    "my_left": left,
    "my_right": right,
    "my_length": _make_text_function(lambda text: len(text.encode())),
    "my_char_length": _make_text_function(len),
    "my_upper": _make_text_function(str.upper),
    "my_lower": _make_text_function(str.lower),
    "my_trim": _make_text_function(lambda text: text.strip(" ")),  # and no other white space
    "my_datetime": _make_date_function(lambda instant: instant.isoformat(" ", "seconds")),
    "my_date": _make_date_function(lambda instant: instant.date().isoformat()),
    "my_add_interval": add_interval,
    "my_timestampdiff": timestamp_difference,
}
