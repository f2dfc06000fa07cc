"""Other spellings of a sound answer: what servers, proxies and .NET put around and into it. No value changes.

Each is a pure function from the rows to the bytes that are sent, with a name for plan files.
"""

import codecs
import json
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from oddaemon.simulator.faults.faults import Rows

EXACT_MAX = 2**53
"""Beyond this a decimal number is not exact any more."""
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d")
HALF_AN_EMOJI = "Ann \ud83d"
NEW_FIELDS: Mapping[str, object] = MappingProxyType(
    {"IsDeprecated": False, "History": [], "_links": {"self": "/x", "more": [None]}, "Share": 0.5, "Note": None}
)


def spell(rows: Rows, *, ascii_only: bool = False) -> bytes:
    """The rows as headquarters usually sends them; `ascii_only` escapes every other character."""
    return json.dumps(rows, ensure_ascii=ascii_only, separators=(",", ":")).encode()


def _spell_between_blanks(rows: Rows) -> bytes:
    return b"\0 \r\n\t" + json.dumps(rows, indent="\t", separators=(" ,", " : ")).encode() + b"\r\n\0\0"


def _spell_in_a_table(rows: Rows) -> bytes:
    return b'{"Count": 1, "Table" : ' + spell(rows) + b', "More": [{}]}'


def _spell_with_null_names(rows: Rows) -> bytes:
    """Rows of preferences among which one has no name."""
    nameless = [{**row, "PrefName": None, "ValueString": None} for row in rows[:1] if "PrefName" in row]
    return spell([*nameless, *rows])


def _spell_control_characters(rows: Rows) -> bytes:
    """Characters in a field that no one reads which JSON does not allow there, and bytes that are not UTF-8."""
    return spell(_add_first(rows, {"Note": "@"})).replace(b'"Note":"@"', b'"Note":"\x01tab\there \x1b[2J \xff\xe9"')


def _spell_numbers_as_texts(rows: Rows) -> bytes:
    return spell(_change(rows, lambda value: str(value) if isinstance(value, int | float) else value))


def _spell_whole_numbers_as_decimals(rows: Rows) -> bytes:
    def change(value: object) -> object:
        return float(value) if isinstance(value, int) and abs(value) < EXACT_MAX else value

    return spell(_change(rows, change))


def _spell_dates_with_times(rows: Rows) -> bytes:
    """As .NET writes the date of a day, and with the fraction of a second after a time."""

    def change(value: object) -> object:
        if isinstance(value, str) and _DAY.fullmatch(value):
            return f"{value}T00:00:00"
        return f"{value}.0000000" if isinstance(value, str) and _MOMENT.fullmatch(value) else value

    return spell(_change(rows, change))


def _spell_dates_in_utc(rows: Rows) -> bytes:
    def change(value: object) -> object:
        return f"{value}T00:00:00Z" if isinstance(value, str) and _DAY.fullmatch(value) else value

    return spell(_change(rows, change))


def _change(rows: Rows, change: Callable[[object], object]) -> Rows:
    return [{name: value if isinstance(value, bool) else change(value) for name, value in row.items()} for row in rows]


def _add_first(rows: Rows, fields: Mapping[str, object]) -> Rows:
    return [{**fields, **row} for row in rows]


SPELLINGS: dict[str, Callable[[Rows], bytes]] = {
    "byte_order_mark": lambda rows: codecs.BOM_UTF8 + spell(rows),
    "utf_16": lambda rows: spell(rows).decode().encode("utf-16"),
    "utf_16_without_mark": lambda rows: spell(rows).decode().encode("utf-16-le"),
    "blanks": _spell_between_blanks,
    "table": _spell_in_a_table,
    "json_in_a_text": lambda rows: json.dumps(spell(rows).decode()).encode(),
    "new_fields": lambda rows: spell(_add_first(rows, NEW_FIELDS)),
    "null_names": _spell_with_null_names,
    "half_an_emoji": lambda rows: spell(_add_first(rows, {"Note": HALF_AN_EMOJI}), ascii_only=True),
    "control_characters": _spell_control_characters,
    "numbers_as_texts": _spell_numbers_as_texts,
    "decimals": _spell_whole_numbers_as_decimals,
    "dates_with_times": _spell_dates_with_times,
    "dates_in_utc": _spell_dates_in_utc,
}
