"""Offices that stand in no file yet: checked together with those that do, then written as files that read the same."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oddaemon.settings.document import Document, hidden
from oddaemon.settings.lines import Location
from oddaemon.settings.secret import Secret

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_ORDER = ("id", "name", "customer_key", "customer_key_file", "customer_key_env", "timezone", "tier")
"""What comes first in a file; the rest follows as it was given, labels last."""


@dataclass(frozen=True, slots=True)
class Draft:
    """`[[office]]` tables as they would be written."""

    path: Path
    """As it is shown in problems: the file to be, or the one that the offices came from."""
    offices: Sequence[Mapping[str, Any]] = field(repr=False)
    """Keys are `Secret`s."""
    lines: Sequence[int] = ()
    """Where each of them stands in `path`."""
    is_private: bool = True

    def document(self, harmless: frozenset[str]) -> Document:
        """As if it had been read from a file; strings under names that are not harmless are hidden."""
        lines: dict[Location, int] = {("office", place): line for place, line in enumerate(self.lines)}
        table = hidden({"office": [dict(office) for office in self.offices]}, harmless)
        return Document(self.path, table, lines, self.is_private, 0, is_typed=True)


def office_toml(office: Mapping[str, Any]) -> str:
    """One `[[office]]` table as the text of a file. It holds the key: hand it on at once."""
    first = [name for name in _ORDER if name in office]
    rest = [name for name in office if name not in _ORDER and name != "labels"]
    lines = ["[[office]]", *(f"{name} = {_value(office[name])}" for name in (*first, *rest))]
    if office.get("labels"):
        lines += ["[office.labels]", *(f"{_name(name)} = {_text(text)}" for name, text in office["labels"].items())]
    return "\n".join(lines) + "\n"


def _value(value: object) -> str:
    match value:
        case Secret():
            return _text(value.reveal())
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case list() | tuple():
            return f"[{', '.join(map(_value, value))}]"
    return _text(str(value))


def _name(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _text(text: str) -> str:
    """A string of TOML: JSON's, but for one character that JSON leaves as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
