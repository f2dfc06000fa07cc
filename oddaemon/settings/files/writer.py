"""Drafts of offices that are in no file yet: checked together with those that are, then written to files."""

import json
import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oddaemon.core.secret import Secret
from oddaemon.settings.files.document import TomlDocument, hide_secrets
from oddaemon.settings.files.line_numbers import Location
from oddaemon.settings.files.problem import Diagnostics, Problem

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_FIELD_ORDER = ("id", "name", "customer_key", "customer_key_file", "customer_key_env", "timezone", "tier")
"""The first fields in a file; the others follow in their given order, labels last."""


@dataclass(slots=True)
class OfficeDraft:
    """`[[office]]` tables that are to be written, and the problems of where they came from."""

    path: Path
    """The path shown in problems: the future file, or the file that the offices came from."""
    offices: list[Mapping[str, Any]] = field(default_factory=list, repr=False)
    """Keys are `Secret`s."""
    lines: list[int] = field(default_factory=list)
    """The line of each in `path`."""
    is_private: bool = True
    problems: list[Problem] = field(default_factory=list)

    def report(self, message: str, hint: str = "", line: int | None = None) -> None:
        """Report a problem that keeps the offices from being read."""
        self.problems.append(Problem(self.path, "", None, message, hint, line))

    def to_document(self, safe_names: frozenset[str], diagnostics: Diagnostics) -> TomlDocument:
        """Convert to a document, as if it had been read from a file; strings under unsafe names are hidden."""
        diagnostics.problems += self.problems
        lines: dict[Location, int] = {("office", index): line for index, line in enumerate(self.lines)}
        table = {"office": deepcopy([*self.offices])}
        hide_secrets(table, safe_names)
        return TomlDocument(
            self.path, self.path.absolute().parent, table, lines, self.is_private, 0, diagnostics, is_form_input=True
        )


def render_office_toml(office: Mapping[str, Any]) -> str:
    """Render one `[[office]]` table as the text of a file. It holds the key: pass it on at once."""
    first = [name for name in _FIELD_ORDER if name in office]
    rest = [name for name in office if name not in _FIELD_ORDER and name != "labels"]
    lines = ["[[office]]", *(f"{name} = {render_value(office[name])}" for name in (*first, *rest))]
    if office.get("labels"):
        lines += [
            "[office.labels]",
            *(f"{render_key(name)} = {render_value(text)}" for name, text in office["labels"].items()),
        ]
    return "\n".join(lines) + "\n"


def render_value(value: object) -> str:
    """Render a value as TOML, a secret in plain text."""
    match value:
        case Secret():
            return _render_string(value.reveal())
        case str():
            return _render_string(value)
        case bool():
            return str(value).lower()
        case list() | tuple():
            return f"[{', '.join(map(render_value, value))}]"
    return str(value)


def render_key(name: str) -> str:
    """Render a key, in quotes where TOML requires them."""
    return name if _BARE_KEY.fullmatch(name) else _render_string(name)


def _render_string(text: str) -> str:
    """Render a TOML string: a JSON string, except for one character that JSON does not escape."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
