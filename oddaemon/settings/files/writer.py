"""Offices that stand in no file yet: checked together with those that do, then written as files that read the same."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oddaemon.core.secret import Secret
from oddaemon.settings.files.document import TomlDocument, hide_secrets
from oddaemon.settings.files.line_numbers import Location

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_FIELD_ORDER = ("id", "name", "customer_key", "customer_key_file", "customer_key_env", "timezone", "tier")
"""What comes first in a file; the rest follows as it was given, labels last."""


@dataclass(frozen=True, slots=True)
class OfficeDraft:
    """`[[office]]` tables as they would be written."""

    path: Path
    """As it is shown in problems: the file to be, or the one that the offices came from."""
    offices: Sequence[Mapping[str, Any]] = field(repr=False)
    """Keys are `Secret`s."""
    lines: Sequence[int] = ()
    """Where each of them stands in `path`."""
    is_private: bool = True

    def to_document(self, safe_names: frozenset[str]) -> TomlDocument:
        """As if it had been read from a file; strings under names that are not harmless are hidden."""
        lines: dict[Location, int] = {("office", index): line for index, line in enumerate(self.lines)}
        table = hide_secrets({"office": [dict(office) for office in self.offices]}, safe_names)
        return TomlDocument(self.path, table, lines, self.is_private, 0, is_form_input=True)


def render_office_toml(office: Mapping[str, Any]) -> str:
    """One `[[office]]` table as the text of a file. It holds the key: hand it on at once."""
    first = [name for name in _FIELD_ORDER if name in office]
    rest = [name for name in office if name not in _FIELD_ORDER and name != "labels"]
    lines = ["[[office]]", *(f"{name} = {_render_value(office[name])}" for name in (*first, *rest))]
    if office.get("labels"):
        lines += [
            "[office.labels]",
            *(f"{_render_name(name)} = {_render_string(text)}" for name, text in office["labels"].items()),
        ]
    return "\n".join(lines) + "\n"


def _render_value(value: object) -> str:
    match value:
        case Secret():
            return _render_string(value.reveal())
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case list() | tuple():
            return f"[{', '.join(map(_render_value, value))}]"
    return _render_string(str(value))


def _render_name(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _render_string(name)


def _render_string(text: str) -> str:
    """A string of TOML: JSON's, but for one character that JSON leaves as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
